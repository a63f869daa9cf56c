"""What a developer types next, with the running stack's addresses and tokens: by curl and by the app's SDK."""

import textwrap
import time

from local.readme import example
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
        javascript=textwrap.indent(example("js"), "  "),
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

The same in the app (Firebase JavaScript SDK, `npm install firebase`), for the project demo-nightshift:

  export FIRESTORE_EMULATOR_HOST={host}:{port}

{javascript}
The statistics, as an administrator:

  curl -s {stats_url} \\
    -H 'Authorization: Bearer {admin_token}'

How many events are on their way to the functions:  curl -s {relay_url}/status

Ctrl-C stops everything.
"""
