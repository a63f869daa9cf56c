"""The objects of a bucket, kept by the emulator of Cloud Storage, from which the functions read them.

As in production, Firebase's own property of an object, its download tokens, is an entry of the object's metadata.
"""

import json
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx

from local.firebase.errors import FirebaseError

TOKENS: Final = "firebaseStorageDownloadTokens"
_SETTABLE: Final = ("cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType")
_SHOWN: Final = (
    *("name", "bucket", "generation", "metageneration", "timeCreated", "updated", "storageClass", "size"),
    *("md5Hash", "crc32c", "etag", *_SETTABLE),
)

Object = dict[str, Any]


class Objects:
    """The emulator of Cloud Storage at `storage_url`, by its JSON API."""

    def __init__(self, client: httpx.AsyncClient, storage_url: str) -> None:
        self._client = client
        self._api = f"{storage_url}/storage/v1"
        self._upload_api = f"{storage_url}/upload/storage/v1"
        self._download_api = f"{storage_url}/download/storage/v1"

    async def find(self, bucket: str, name: str) -> Object | None:
        """The object's properties; None if it does not exist."""
        answer = await self._client.get(f"{self._api}/{_path(bucket, name)}")
        return None if answer.status_code == 404 else _checked(answer).json()

    async def create(self, bucket: str, name: str, properties: Mapping[str, Any], content: bytes) -> Object:
        """Write the object with a new download token; returns its properties."""
        custom = {**(properties.get("metadata") or {}), TOKENS: secrets.token_hex(16)}
        resource = {key: properties[key] for key in _SETTABLE if properties.get(key)}
        resource |= {"name": name, "metadata": custom}
        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{json.dumps(resource)}\r\n"
        head += f"--{boundary}\r\nContent-Type: {resource.get('contentType', 'application/octet-stream')}\r\n\r\n"
        answer = await self._client.post(
            f"{self._upload_api}/b/{bucket}/o",
            params={"uploadType": "multipart", "name": name},
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            content=head.encode() + content + f"\r\n--{boundary}--".encode(),
        )
        created: Object = _checked(answer).json()
        return created

    async def update(self, bucket: str, name: str, changed: Mapping[str, Any]) -> Object:
        """Change the object's properties; returns all of them."""
        answer = await self._client.patch(f"{self._api}/{_path(bucket, name)}", json=dict(changed))
        updated: Object = _checked(answer).json()
        return updated

    async def delete(self, bucket: str, name: str) -> None:
        """Delete the object."""
        _checked(await self._client.delete(f"{self._api}/{_path(bucket, name)}"))

    async def read(self, bucket: str, name: str, byte_range: str | None) -> httpx.Response:
        """The object's content, or a part of it."""
        headers = {"Range": byte_range} if byte_range else {}
        return _checked(
            await self._client.get(
                f"{self._download_api}/{_path(bucket, name)}", params={"alt": "media"}, headers=headers
            )
        )

    async def list(self, bucket: str, query: Mapping[str, str]) -> Object:
        """A page of names."""
        answer = await self._client.get(f"{self._api}/b/{bucket}/o", params=dict(query))
        page: Object = _checked(answer).json()
        return page


def shown(stored: Object) -> Object:
    """An object's properties as Firebase's SDKs read them."""
    custom = dict(stored.get("metadata") or {})
    tokens = custom.pop(TOKENS, "")
    found = {key: stored[key] for key in _SHOWN if stored.get(key) is not None}
    return found | {"downloadTokens": tokens} | ({"metadata": custom} if custom else {})


def as_rules_see_it(properties: Mapping[str, Any], *, bucket: str, name: str, size: int) -> Object:
    """An object's properties under the names that storage.rules have for them."""
    custom = {key: value for key, value in (properties.get("metadata") or {}).items() if key != TOKENS}
    found = {key: properties[key] for key in (*_SETTABLE, "md5Hash", "crc32c") if properties.get(key)}
    return found | {"name": name, "bucket": bucket, "size": size, "metadata": custom}


def settable(properties: Mapping[str, Any]) -> Object:
    """Of what a client sends, what it may set."""
    kept = {key: properties[key] for key in _SETTABLE if key in properties}
    return kept | ({"metadata": properties["metadata"] or {}} if "metadata" in properties else {})


def _path(bucket: str, name: str) -> str:
    return f"b/{bucket}/o/{quote(name, safe='')}"


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise FirebaseError(answer.reason_phrase or "Cloud Storage refused", answer.status_code)
    return answer
