"""Serves the dashboard as Firebase Hosting does: the files, headers and rewrites that firebase.json declares.

`/v1/**` goes to the function `api`, and `/__/firebase/init.json` tells the pages which project this is. Two things are
the local stack's own: that file also names the emulators' ports, and the Content-Security-Policy allows them.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from local.part import ROOT
from local.ports import EVERYWHERE, HOST
from local.serve import serving

# That of Firebase's Hosting emulator.
PORT: Final = 5000
_METHODS: Final = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}")
_FOLDER: Final = (ROOT / "dashboard").resolve()
# Of a connection, not of what it carries; and what httpx has undone.
_NOT_PASSED_ON: Final = {"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "host"}
_PATIENCE_SECONDS: Final = 60


@dataclass(frozen=True, kw_only=True)
class EmulatorPorts:
    """Where the pages find Firebase on this computer: ports."""

    auth: int
    firestore: int
    storage: int


class LocalHosting:
    """`app` serves the dashboard of one project. Reads firebase.json once."""

    def __init__(self, project: str, bucket: str, emulators: EmulatorPorts, api_url: str) -> None:
        hosting: dict[str, Any] = json.loads((ROOT / "firebase.json").read_text())["hosting"]
        self._headers = {each["key"]: each["value"] for each in hosting["headers"][0]["headers"]}
        self._ignored = set(hosting["ignore"])
        self._config = {
            "projectId": project,
            "apiKey": "local",
            "storageBucket": bucket,
            "emulators": vars(emulators),
        }
        self._ports = vars(emulators).values()
        self._api_url = api_url
        self.app = Starlette(
            routes=[
                Route("/__/firebase/init.json", self._tell_config, methods=["GET"]),
                Route("/v1/{rest:path}", self._ask_api, methods=_METHODS),
                Route("/{rest:path}", self._send_file, methods=["GET", "HEAD"]),
            ]
        )
        self._client: httpx.AsyncClient

    @asynccontextmanager
    async def running(self, port: int, *, lan: bool) -> AsyncIterator[str]:
        """Serve until the end of the `async with`; yields HOST:PORT."""
        async with (
            httpx.AsyncClient(trust_env=False, timeout=_PATIENCE_SECONDS) as self._client,
            serving(self.app, EVERYWHERE if lan else HOST, port) as address,
        ):
            yield address

    async def _tell_config(self, request: Request) -> Response:
        return JSONResponse(self._config, headers=self._own_headers(request))

    async def _ask_api(self, request: Request) -> Response:
        try:
            answer = await self._client.request(
                request.method,
                f"{self._api_url}{request.url.path}",
                params=request.query_params,
                content=await request.body(),
                headers=_passed_on(request.headers),
            )
        except httpx.HTTPError:
            return JSONResponse({"error": {"code": "unreachable", "message": "The API does not answer."}}, 502)
        return Response(answer.content, answer.status_code, _passed_on(answer.headers))

    async def _send_file(self, request: Request) -> Response:
        asked = request.url.path.lstrip("/")
        file = (_FOLDER / asked).resolve()
        # Each page has an address of its own; the program behind it is the same.
        is_file = file.is_file() and file.is_relative_to(_FOLDER) and asked not in self._ignored
        return FileResponse(file if is_file else _FOLDER / "index.html", headers=self._own_headers(request))

    def _own_headers(self, request: Request) -> dict[str, str]:
        named = (request.headers.get("host") or HOST).rpartition(":")[0]
        host = named if _HOST.fullmatch(named) else HOST
        local = " ".join(f"http://{host}:{port}" for port in self._ports)
        policy = self._headers["Content-Security-Policy"].replace("connect-src 'self'", f"connect-src 'self' {local}")
        return self._headers | {"Content-Security-Policy": policy}


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
