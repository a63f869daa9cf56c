"""Google's side of a signed address: a server that verifies the signature, and serves the object of the emulator.

It follows what Google publishes on verifying a request, and shares no code with what signs:
https://cloud.google.com/storage/docs/authentication/signatures and …/canonical-requests. A request is taken apart as it
arrives on the wire. The real server knows a key by its access id; so does this one, and it can deactivate it.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from local.serve import serving
from tests.support.patience import PATIENCE_SECONDS

HOST: Final = "storage.googleapis.com"
_LONGEST: Final = timedelta(days=7)
_EARLY: Final = timedelta(minutes=15)


class StorageReader:
    """Serves what signed addresses lead to."""

    def __init__(self, emulator: str, now: Callable[[], datetime]) -> None:
        # Access id → secret, of the active keys.
        self.keys: dict[str, str] = {}
        self._emulator = emulator
        self._now = now
        self._url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["StorageReader"]:
        """The server, while the block runs."""
        app = Starlette(routes=[Route("/{path:path}", self._read)])
        async with serving(app) as place:
            self._url = f"http://{place}"
            yield self

    async def get(self, address: str) -> httpx.Response:
        """Fetch an address as the provider would, if this server stood at Google's name."""
        assert address.startswith(f"https://{HOST}/")
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            path = address.removeprefix(f"https://{HOST}")
            return await client.get(f"{self._url}{path}", headers={"Host": HOST})

    async def _read(self, request: Request) -> Response:
        path, raw_query = request.scope["raw_path"].decode(), request.scope["query_string"].decode()
        given = dict(parse_qsl(raw_query, keep_blank_values=True))
        if refused := self._refusal(request, path, given):
            return PlainTextResponse(refused, 403 if refused != "ExpiredToken" else 400)
        _, bucket, name = unquote(path).split("/", 2)
        address = f"{self._emulator}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            found = await client.get(address)
            # The emulator gives the newest generation, whichever is asked for. So it is compared here.
            if found.is_error or given.get("generation") not in {None, found.json()["generation"]}:
                return PlainTextResponse("NoSuchKey", 404)
            stored = await client.get(address, params={"alt": "media"})
        return Response(stored.content, media_type=found.json()["contentType"])

    def _refusal(self, request: Request, path: str, given: dict[str, str]) -> str | None:
        access_id, *scope = given.get("X-Goog-Credential", "").split("/")
        signed_at = datetime.strptime(given["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime = timedelta(seconds=int(given["X-Goog-Expires"]))
        if access_id not in self.keys or given["X-Goog-Algorithm"] != "GOOG4-HMAC-SHA256":
            return "AccessDenied"
        if scope[0] != f"{signed_at:%Y%m%d}" or scope[2:] != ["storage", "goog4_request"]:
            return "AuthorizationQueryParametersError"
        if lifetime > _LONGEST or signed_at > self._now() + _EARLY:
            return "AuthorizationQueryParametersError"
        if self._now() > signed_at + lifetime:
            return "ExpiredToken"
        key = b"GOOG4" + self.keys[access_id].encode()
        for part in scope:
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        to_sign = string_to_sign(request.method, path, given, request.headers)
        expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        return None if hmac.compare_digest(expected, given["X-Goog-Signature"]) else "SignatureDoesNotMatch"


def string_to_sign(method: str, path: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """What was signed, as Google reads it from a request: its path as it came, and its parameters decoded."""
    signed = {name: value for name, value in parameters.items() if name != "X-Goog-Signature"}
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in signed.items())
    names = signed["X-Goog-SignedHeaders"].split(";")
    canonical = (
        f"{method}\n{path}\n{'&'.join(f'{name}={value}' for name, value in encoded)}\n"
        f"{''.join(f'{name}:{headers[name].strip()}' + chr(10) for name in names)}\n{';'.join(names)}\n"
        "UNSIGNED-PAYLOAD"
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    _, _, scope = signed["X-Goog-Credential"].partition("/")
    return f"{signed['X-Goog-Algorithm']}\n{signed['X-Goog-Date']}\n{scope}\n{digest}"
