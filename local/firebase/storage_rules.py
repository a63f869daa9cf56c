"""`storage.rules`, evaluated by Firestore's emulator.

Google's interpreter of these rules is a part of the Firebase CLI's storage emulator. Firestore's emulator has the same
language and the same verbs, but other names for what is asked about. So the rules are given to it with these names
exchanged, in projects that hold nothing else. An object becomes a document of the same path, its properties the
document's fields. The user's request is made there with the user's token, and its fate is the answer.

A document lies at an even depth and an object at any. So there are two such projects: one for names with an odd
number of parts (`photo.jpg`, `users/alice/photo.jpg`), one for names with an even number. Nothing stays in them.

What is not evaluated: `list`, which is refused; names with an empty part, `.`, `..` or `__x__`, which are refused; and
rules that ask Firestore (`firestore.get`), which do not compile here. As in production, an upload is a `create` with no
`resource`, also over an object that exists (https://github.com/firebase/firebase-js-sdk/issues/5079).
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import httpx

from local.errors import StackError
from local.firestore_json import to_fields
from local.rules import put_rules

Verb = Literal["get", "create", "update", "delete"]

_ALLOWED, _DENIED, _ABSENT = 200, 403, 404
_ROOT: Final = re.compile(r"match\s+/b/(\{\w+\})/o\b")
_OWNER: Final = {"Authorization": "Bearer owner"}


def as_firestore_calls_it(rules: str, root: str) -> str:
    """The same rules with Firestore's names; `root` is what an object's name stands below, as `b/{bucket}/o`.

    Raises StackError if the rules are not those of a bucket.
    """
    exchanged = re.sub(r"\bservice\s+firebase\.storage\b", "service cloud.firestore", rules)
    exchanged, roots = _ROOT.subn(
        lambda found: f"match /databases/{{database}}/documents/{root.replace('{bucket}', found[1])}", exchanged
    )
    if exchanged == rules or not roots:
        raise StackError("these are no rules of a bucket")
    # Whether there is an object is asked of the object itself, all else of its properties.
    return re.sub(r"(?<![\w.])((?:request\.)?resource)\b(?!\s*[!=]=\s*null)", r"\1.data", exchanged)


class StorageRules:
    """The rules of one bucket's project in the Firestore emulator at `firestore` (HOST:PORT)."""

    def __init__(self, client: httpx.AsyncClient, firestore: str, project: str) -> None:
        self._client = client
        self._firestore = firestore
        # By the parity of an object's name: the project, and what the name stands below.
        self._stages = {
            1: (f"{project}-storage-rules-odd", "b/{bucket}/o"),
            0: (f"{project}-storage-rules-even", "b/{bucket}"),
        }
        self._one_at_a_time = asyncio.Lock()

    async def load(self, rules: str) -> None:
        """Take these rules. Raises StackError if Firestore's emulator cannot evaluate them."""
        for project, root in self._stages.values():
            rules_here = as_firestore_calls_it(rules, root)
            if said := await put_rules(self._client, self._firestore, project, "storage.rules", rules_here):
                raise StackError(str(said))

    async def allow(
        self,
        verb: Verb,
        bucket: str,
        name: str,
        authorization: str | None,
        *,
        there: Mapping[str, Any] | None = None,
        written: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether the user may do that.

        Args:
            authorization: the header as the SDK sent it; None = no user is signed in.
            there: the properties of the object that exists.
            written: the properties that it would have afterwards.
        """
        parts = name.split("/")
        project, root = self._stages[len(parts) % 2]
        documents = f"projects/{project}/databases/(default)/documents"
        document = f"{documents}/{root.replace('{bucket}', bucket)}/{name}"
        token = (authorization or "").partition(" ")[2]
        user = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._one_at_a_time:
            await self._write(documents, _OWNER, _put(document, there) if there else {"delete": document})
            try:
                if verb == "get":
                    status = (
                        await self._client.get(f"http://{self._firestore}/v1/{document}", headers=user)
                    ).status_code
                    return status in {_ALLOWED, _ABSENT}
                if verb == "delete":
                    return await self._write(documents, user, {"delete": document}) == _ALLOWED
                return await self._write(documents, user, _put(document, written or {})) == _ALLOWED
            finally:
                await self._write(documents, _OWNER, {"delete": document})

    async def _write(self, documents: str, headers: Mapping[str, str], write: dict[str, Any]) -> int:
        answer = await self._client.post(
            f"http://{self._firestore}/v1/{documents}:commit", headers=dict(headers), json={"writes": [write]}
        )
        return answer.status_code


def _put(document: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"update": {"name": document, "fields": to_fields(properties)}}
