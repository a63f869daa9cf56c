"""A dialect of OpenAI's API: what another provider says and asks in its own form, in front of the same parts.

It stands behind the fault layer, so faults strike the provider's own paths. What it does not translate passes as it is,
streams included.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.openai_server.errors import body_of
from local.provider_server.errors import ApiError, JsonObject


class Inner:
    """The parts behind a dialect, asked in OpenAI's words."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._app = app
        self._scope = scope

    async def ask(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: JsonObject | None = None
    ) -> JsonObject:
        """The JSON object that is answered. Raises Refused with what is answered instead."""
        content = json.dumps(body).encode() if body is not None else b""
        headers = [(name, value) for name, value in self._scope["headers"] if name not in _OF_THE_BODY]
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        scope = {
            **self._scope,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "headers": headers,
            "query_string": urlencode(query or {}).encode(),
        }
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        said = json.loads(b"".join(message.get("body", b"") for message in messages))
        if messages[0]["status"] >= 400:
            raise Refused(JSONResponse(said, messages[0]["status"]))
        answer: JsonObject = said
        return answer


_OF_THE_BODY = (b"content-type", b"content-length", b"transfer-encoding")


class Refused(Exception):
    """The parts behind the dialect refused it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Dialect(ABC):
    """ASGI middleware that answers some requests by translating them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @abstractmethod
    async def answer(self, request: Request, inner: Inner) -> JsonObject | None:
        """What is answered to this request; None lets it pass."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            try:
                answered = await self.answer(Request(scope, receive), Inner(self._app, scope))
            except Refused as refused:
                await refused.response(scope, receive, send)
                return
            except ApiError as refused:
                await JSONResponse(body_of(refused), refused.status)(scope, receive, send)
                return
            if answered is not None:
                await JSONResponse(answered)(scope, receive, send)
                return
        await self._app(scope, receive, send)
