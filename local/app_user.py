"""A signed-in user of the app: what a phone does, with the user's own token, so through firestore.rules.

The REST APIs stand in for the app's SDKs; both meet the same rules.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from local.firestore_json import from_fields, to_fields, to_value
from local.stack import Stack
from local.tokens import unsigned_token

# The longest list that firestore.rules allows.
_MOST_LISTED = 100
_UPLOAD_PAUSES_SECONDS = (0.1, 0.5, 2.0)


class AppUser:
    """One user of one running stack."""

    def __init__(self, client: httpx.AsyncClient, stack: Stack, uid: str) -> None:
        self.uid = uid
        self._client = client
        self._storage = f"http://{stack.app_storage_host}"
        self._uploads_bucket = stack.buckets[1]
        self._name = f"projects/{stack.project}/databases/(default)/documents"
        self._documents = f"http://{stack.firestore_host}/v1/{self._name}"
        self._headers = {"Authorization": f"Bearer {unsigned_token(stack.project, uid)}"}
        self._api = f"{stack.function_urls.get('api', '')}/v1"

    async def upload(self, name: str, content: bytes, content_type: str = "image/png") -> str:
        """Upload a file, a PNG if nothing else is said, into the user's own folder; returns its address.

        An upload that breaks off is begun again, as the app's SDK does it.
        """
        path = f"users/{self.uid}/{name}"
        for pause_seconds in _UPLOAD_PAUSES_SECONDS:
            try:
                await self._upload(path, content, content_type)
            except httpx.TransportError:
                await asyncio.sleep(pause_seconds)
            else:
                break
        else:
            await self._upload(path, content, content_type)
        return f"gs://{self._uploads_bucket}/{path}"

    async def _upload(self, path: str, content: bytes, content_type: str) -> None:
        boundary = "0123456789abcdef"
        head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n" + json.dumps({"contentType": content_type})
        head += f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n\r\n"
        answer = await self._client.post(
            f"{self._storage}/v0/b/{self._uploads_bucket}/o",
            params={"name": path},
            content=head.encode() + content + f"\r\n--{boundary}--".encode(),
            headers={
                "Authorization": self._headers["Authorization"].replace("Bearer", "Firebase"),
                "X-Goog-Upload-Protocol": "multipart",
                "Content-Type": f"multipart/related; boundary={boundary}",
            },
        )
        answer.raise_for_status()

    async def write_job(self, job_id: str, job_type: str, job_input: Mapping[str, str], speed: str = "batch") -> None:
        """Write a job document. Raises httpx.HTTPStatusError if the rules deny it."""
        await self._create(f"ai_jobs/{job_id}", {"type": job_type, "speed": speed, "input": job_input})

    async def write_bulk_job(self, bulk_id: str, fields: Mapping[str, Any]) -> None:
        """Write a bulk job's document. Raises httpx.HTTPStatusError if the rules deny it."""
        await self._create(f"bulk_jobs/{bulk_id}", fields)

    async def _create(self, path: str, own: Mapping[str, Any]) -> None:
        fields = {"userId": self.uid, "status": "created", **own}
        write = {
            "update": {"name": f"{self._name}/{path}", "fields": to_fields(fields)},
            "updateTransforms": [{"fieldPath": "createdAt", "setToServerValue": "REQUEST_TIME"}],
            "currentDocument": {"exists": False},
        }
        answer = await self._client.post(f"{self._documents}:commit", headers=self._headers, json={"writes": [write]})
        answer.raise_for_status()

    async def write_preferences(self, preferences: Mapping[str, Any]) -> None:
        """Say how the user wants to hear of an end. Raises httpx.HTTPStatusError if the rules deny it."""
        write = {"update": {"name": f"{self._name}/preferences/{self.uid}", "fields": to_fields(preferences)}}
        answer = await self._client.post(f"{self._documents}:commit", headers=self._headers, json={"writes": [write]})
        answer.raise_for_status()

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call the REST API; returns its answer. Raises httpx.HTTPStatusError if it refuses."""
        answer = await self._client.request(method, f"{self._api}{path}", headers=self._headers, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def fetch(self, link: str) -> bytes:
        """What lies behind a link that the API gave. Raises httpx.HTTPStatusError if nothing does."""
        answer = await self._client.get(link)
        answer.raise_for_status()
        return answer.content

    async def own(self, collection: str) -> dict[str, dict[str, Any]]:
        """The user's own documents of a collection, a hundred at most, by id."""
        mine = {"fieldFilter": {"field": {"fieldPath": "userId"}, "op": "EQUAL", "value": to_value(self.uid)}}
        query = {"from": [{"collectionId": collection}], "where": mine, "limit": _MOST_LISTED}
        answer = await self._client.post(
            f"{self._documents}:runQuery", headers=self._headers, json={"structuredQuery": query}
        )
        answer.raise_for_status()
        found = [row["document"] for row in answer.json() if "document" in row]
        return {document["name"].rpartition("/")[2]: from_fields(document["fields"]) for document in found}

    async def wallet(self) -> dict[str, Any]:
        """The user's wallet; empty if it does not exist."""
        answer = await self._client.get(f"{self._documents}/wallets/{self.uid}", headers=self._headers)
        return from_fields(answer.json()["fields"]) if answer.is_success else {}

    async def ledger(self) -> list[dict[str, Any]]:
        """The entries of the user's ledger, a hundred at most."""
        answer = await self._client.get(
            f"{self._documents}/wallets/{self.uid}/ledger", headers=self._headers, params={"pageSize": _MOST_LISTED}
        )
        answer.raise_for_status()
        return [from_fields(document["fields"]) for document in answer.json().get("documents", [])]
