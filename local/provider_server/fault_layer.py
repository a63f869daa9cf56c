"""The outermost layer of the app: records every request under the API's paths, and carries out `RequestFault`s.

A connection can only be cut where it lives, so `tracking_protocol` gives uvicorn a protocol class that
notes each connection's transport under its client address. "No answer" aborts that transport before
anything was sent; "cut short" closes it after the bytes that were let through, with the real Content-Length
already announced. For an "after" fault the whole request runs first, with its answer thrown away: when the
client sees the cut, the effect is there.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from local.provider_server.api import Api
from local.provider_server.errors import ApiError
from local.provider_server.faults import Faults, RequestFault

Transports = dict[tuple[str, int], asyncio.Transport]


@dataclass
class Call:
    """One request that arrived; `status` is what the client was sent, None for a connection cut
    unanswered."""

    method: str
    path: str
    query: str = ""
    status: int | None = None


def tracking_protocol(transports: Transports) -> type[H11Protocol]:
    """A uvicorn protocol class that keeps the open connections in `transports`."""

    class TrackedProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if self.client is not None:
                transports[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client is not None:
                transports.pop(self.client, None)
            super().connection_lost(exc)

    return TrackedProtocol


class FaultLayer:
    """ASGI middleware; see the module's docstring."""

    def __init__(self, app: ASGIApp, api: Api, faults: Faults, calls: deque[Call], transports: Transports) -> None:
        self._app = app
        self._api = api
        self._faults = faults
        self._calls = calls
        self._transports = transports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._api.paths):
            await self._app(scope, receive, send)
            return
        call = Call(scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        self._calls.append(call)

        async def recorded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
            await send(message)

        fault = self._faults.take_request(call.method, call.path)
        if fault is None:
            await self._app(scope, receive, recorded_send)
        elif fault.when == "before":
            await asyncio.sleep(fault.delay_seconds)
            await self._answer_before(fault, scope, receive, recorded_send)
        else:
            await self._answer_after(fault, scope, receive, recorded_send)

    async def _answer_before(self, fault: RequestFault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.reset:
            await self._cut(scope, receive)
        elif fault.truncate_at is not None:
            await self._app(scope, receive, self._truncated(fault, scope, send))
        elif fault.status is None:
            await self._app(scope, receive, send)
        else:
            await _drain(receive)
            await self._refusal(fault, fault.status)(scope, receive, send)

    async def _answer_after(self, fault: RequestFault, scope: Scope, receive: Receive, send: Send) -> None:
        lost = fault.reset or (fault.status is not None and fault.truncate_at is None)
        kept: list[Message] = []

        async def withheld_send(message: Message) -> None:
            if not lost:
                kept.append(message)

        await self._app(scope, receive, withheld_send)
        await asyncio.sleep(fault.delay_seconds)
        if fault.reset:
            await self._cut(scope, receive)
        elif lost and fault.status is not None:
            await self._refusal(fault, fault.status)(scope, receive, send)
        else:
            deliver = send if fault.truncate_at is None else self._truncated(fault, scope, send)
            for message in kept:
                await deliver(message)

    def _refusal(self, fault: RequestFault, status: int) -> JSONResponse:
        kind = "server_error" if status >= 500 else "requests" if status == 429 else "invalid_request_error"
        error = ApiError(status, "This fault was armed by a test.", code="armed_fault", kind=kind)
        return JSONResponse(fault.body or self._api.error_body(error), status, fault.headers)

    def _truncated(self, fault: RequestFault, scope: Scope, send: Send) -> Send:
        left = fault.truncate_at or 0
        over = False

        async def truncated_send(message: Message) -> None:
            nonlocal left, over
            if over:
                return
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                if fault.clean and "content-length" in headers:
                    headers["content-length"] = str(min(left, int(headers["content-length"])))
                await send({**message, "headers": headers.raw})
                return
            body = message.get("body", b"")
            if len(body) < left or (len(body) == left and not message.get("more_body")):
                left -= len(body)
                await send(message)
                return
            over = True
            await send({**message, "body": body[:left], "more_body": not fault.clean})
            if not fault.clean:
                self._transport(scope).close()

        return truncated_send

    async def _cut(self, scope: Scope, receive: Receive) -> None:
        self._transport(scope).abort()
        await _drain(receive, until_disconnected=True)

    def _transport(self, scope: Scope) -> asyncio.Transport:
        transport = self._transports.get(tuple(scope["client"] or ()))
        if transport is None:
            raise ConnectionAbortedError("this fault cuts the connection, which only a server with a socket can do")
        return transport


async def _drain(receive: Receive, *, until_disconnected: bool = False) -> None:
    """Read the request away, so that a client in mid-upload sees the answer and not a broken pipe."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body") and not until_disconnected:
            return
