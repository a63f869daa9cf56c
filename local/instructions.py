"""What a developer types next: the lines by which an app finds the running stack, and the same by curl."""

import shlex
import time

from local.ports import lan_address
from local.stack import Stack
from local.tokens import unsigned_token

# A stack may run for days, and a token on the screen should outlive the working day.
_LIFETIME_SECONDS = 7 * 24 * 3600


def instructions(stack: Stack, uid: str, password: str, tokens: int) -> str:
    """The whole page; every command on it can be pasted as it is."""
    host, firestore = stack.firestore_host.split(":")
    documents = f"projects/{stack.project}/databases/(default)/documents"
    return _PAGE.format(
        uid=uid,
        password=password,
        tokens=tokens,
        project=stack.project,
        bucket=stack.buckets[1],
        lanes="".join(f"\n{lane.job_type} goes through {lane.name}, as docs/LOCAL.md says." for lane in stack.lanes),
        host=host,
        phone=_PHONE_REACHES.format(host=lan_address()) if stack.options.lan else _PHONE_DOES_NOT,
        firestore=firestore,
        auth=stack.auth_host.rpartition(":")[2],
        storage=stack.app_storage_host.rpartition(":")[2],
        documents=documents,
        rest=f"http://{stack.firestore_host}/v1/{documents}",
        user_token=_long_lived(stack.project, uid),
        admin_token=_long_lived(stack.project, "admin", admin=True),
        dashboard_url=stack.dashboard_url,
        api_url=f"{stack.function_urls.get('api', '')}/v1",
        stats_url=stack.function_urls.get("get_batch_stats", ""),
        relay_url=stack.relay_url,
        exports="\n".join(
            f"  export {name}={shlex.quote(value)}" for name, value in stack.operators_environment.items()
        ),
    )


def _long_lived(project: str, uid: str, **claims: object) -> str:
    token_lifetime = int(time.time()) + _LIFETIME_SECONDS
    return unsigned_token(project, uid, exp=token_lifetime, **claims)


_PHONE_REACHES = """A phone in this network says "{host}". So can everything else in it, and may do
everything: these emulators know no secrets."""
_PHONE_DOES_NOT = "A phone in this network: stop, and start with `make up LAN=1`."

_PAGE = """
The dashboard is {dashboard_url}

Sign in as {uid}@example.com or admin@example.com, password {password}.
{uid} has {tokens} tokens; a new user gets {tokens}, too. docs/APP.md is the app's page.

The project is {project}, its bucket {bucket}.{lanes}
In the app, once, before anything else:

  JavaScript
    connectAuthEmulator(auth, "http://{host}:{auth}");
    connectFirestoreEmulator(db, "{host}", {firestore});
    connectStorageEmulator(storage, "{host}", {storage});
  Flutter (turns this host into 10.0.2.2 on Android's emulator by itself)
    await FirebaseAuth.instance.useAuthEmulator("{host}", {auth});
    FirebaseFirestore.instance.useFirestoreEmulator("{host}", {firestore});
    await FirebaseStorage.instance.useStorageEmulator("{host}", {storage});
  Swift (the simulator shares this computer's addresses)
    Auth.auth().useEmulator(withHost: "{host}", port: {auth})
    Firestore.firestore().useEmulator(withHost: "{host}", port: {firestore})
    Storage.storage().useEmulator(withHost: "{host}", port: {storage})
  Kotlin (Android's emulator calls this computer 10.0.2.2)
    Firebase.auth.useEmulator("10.0.2.2", {auth})
    Firebase.firestore.useEmulator("10.0.2.2", {firestore})
    Firebase.storage.useEmulator("10.0.2.2", {storage})
{phone}

The same by curl: a job of {uid}, and its document.

  TOKEN={user_token}

  curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
    '{rest}:commit' -d '{{
    "writes": [{{
      "update": {{
        "name": "{documents}/ai_jobs/my-first-job",
        "fields": {{
          "userId": {{"stringValue": "{uid}"}},
          "type": {{"stringValue": "waste_classification"}},
          "speed": {{"stringValue": "batch"}},
          "status": {{"stringValue": "created"}},
          "input": {{"mapValue": {{"fields": {{
            "text": {{"stringValue": "an empty yoghurt cup"}}
          }}}}}}
        }}
      }},
      "updateTransforms": [
        {{"fieldPath": "createdAt", "setToServerValue": "REQUEST_TIME"}}
      ],
      "currentDocument": {{"exists": false}}
    }}]}}'

  curl -s -H "Authorization: Bearer $TOKEN" '{rest}/ai_jobs/my-first-job'

The REST API is {api_url} (docs/API.md). Another job by it:

  curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
    {api_url}/jobs -d '{{
    "type": "waste_classification", "input": {{"text": "an empty glass bottle"}}
  }}'

An operator's shell, in this checkout: paste this, then ./nightshift stats

{exports}

The statistics, as an administrator:

  curl -s {stats_url} \\
    -H 'Authorization: Bearer {admin_token}'

How many events are on their way:  curl -s {relay_url}/status
A change below functions/ starts the functions again, and keeps all documents.
Ctrl-C stops everything.
"""
