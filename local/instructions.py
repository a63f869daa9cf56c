"""What a developer types next, with the running stack's addresses and tokens: by curl and by the app's SDK."""

import time

from local.stack import Stack
from local.tokens import unsigned_token

# A stack may run for days, and a token on the screen should outlive the working day.
_LIFETIME_SECONDS = 7 * 24 * 3600


def instructions(stack: Stack, uid: str, tokens: int) -> str:
    """The whole page; every command on it can be pasted as it is."""
    documents = f"projects/{stack.project}/databases/(default)/documents"
    host, port = stack.firestore_host.split(":")
    return _PAGE.format(
        uid=uid,
        tokens=tokens,
        project=stack.project,
        host=host,
        port=port,
        documents=documents,
        firestore=f"http://{stack.firestore_host}/v1/{documents}",
        user_token=_long_lived(stack.project, uid),
        admin_token=_long_lived(stack.project, "admin", admin=True),
        stats_url=stack.function_urls.get("get_batch_stats", ""),
        relay_url=stack.relay_url,
    )


def _long_lived(project: str, uid: str, **claims: object) -> str:
    token_lifetime = int(time.time()) + _LIFETIME_SECONDS
    return unsigned_token(project, uid, exp=token_lifetime, **claims)


_PAGE = """
The user `{uid}` has {tokens} tokens. Write a job as that user, then follow it (curl):

  TOKEN={user_token}

  curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
    '{firestore}:commit' -d '{{
    "writes": [{{
      "update": {{
        "name": "{documents}/ai_jobs/my-first-job",
        "fields": {{
          "userId": {{"stringValue": "{uid}"}},
          "type": {{"stringValue": "waste_classification"}},
          "speed": {{"stringValue": "batch"}},
          "status": {{"stringValue": "created"}},
          "input": {{"mapValue": {{"fields": {{"text": {{"stringValue": "an empty yoghurt cup"}}}}}}}}
        }}
      }},
      "updateTransforms": [{{"fieldPath": "createdAt", "setToServerValue": "REQUEST_TIME"}}],
      "currentDocument": {{"exists": false}}
    }}]}}'

  curl -s -H "Authorization: Bearer $TOKEN" '{firestore}/ai_jobs/my-first-job'

The same in the app (Firebase JavaScript SDK):

  import {{ initializeApp }} from "firebase/app";
  import {{ getFirestore, connectFirestoreEmulator, collection, addDoc, onSnapshot, serverTimestamp }}
    from "firebase/firestore";

  const db = getFirestore(initializeApp({{ projectId: "{project}" }}));
  connectFirestoreEmulator(db, "{host}", {port}, {{ mockUserToken: {{ sub: "{uid}" }} }});
  const job = await addDoc(collection(db, "ai_jobs"), {{
    userId: "{uid}", type: "waste_classification", speed: "batch",
    input: {{ text: "an empty yoghurt cup" }}, status: "created", createdAt: serverTimestamp(),
  }});
  onSnapshot(job, (snapshot) => console.log(snapshot.get("status"), snapshot.get("result")));

The statistics, as an administrator:

  curl -s {stats_url} \\
    -H 'Authorization: Bearer {admin_token}'

How many events are on their way to the functions:  curl -s {relay_url}/status

Ctrl-C stops everything.
"""
