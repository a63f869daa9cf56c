"""Groq's API under `/openai/v1`, on the parts of the OpenAI-compatible server: its files, runs, faults and stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from local.groq_server.dialect import GroqDialect, check_strictness
from local.openai_server.server import OpenAIServer

_PREFIX = "/openai"


class GroqServer(OpenAIServer):
    """See OpenAIServer. Faults name paths without `/openai`."""

    dialect = GroqDialect
    check_body = staticmethod(check_strictness)

    def __init__(self, api_key: str | None = None, **options: Any) -> None:
        super().__init__(api_key, **options)
        self.app: ASGIApp = _Below(self.app)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve on a socket in this event loop and yield the base URL, which ends in `/openai/v1`; then close."""
        async with super().serve(host, port) as base_url:
            yield base_url.removesuffix("/v1") + _PREFIX + "/v1"


class _Below:
    """The app, below the path where Groq has it; anything else is not there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        inner = path.removeprefix(_PREFIX) if path.startswith(f"{_PREFIX}/v1/") else f"/v1/nothing{path}"
        await self._app({**scope, "path": inner, "raw_path": inner.encode()}, receive, send)
