"""Anthropic's server: its routes, on the parts that all servers share."""

import asyncio
import hmac
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from local.anthropic_server.api import AnthropicApi
from local.anthropic_server.errors import body_of
from local.provider_server.arguments import refuse_unknown
from local.provider_server.batches import TERMINAL, Batch, Clock
from local.provider_server.errors import ApiError
from local.provider_server.pace import Pace
from local.provider_server.paging import read_limit
from local.provider_server.request_body import read_json, read_object
from local.provider_server.server import IMMEDIATE, ProviderServer

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DAY_SECONDS = 24 * 3600


class AnthropicServer(ProviderServer):
    """`api_key=None` accepts any key. A base URL has no path."""

    def __init__(
        self,
        api_key: str | None = None,
        pace: Pace = IMMEDIATE,
        *,
        max_requests: int = 100_000,
        max_bytes: int = 256_000_000,
        now: Clock = time.time,
    ) -> None:
        self._wire = AnthropicApi()
        super().__init__(self._wire, pace, max_requests=max_requests, now=now)
        self._pace = pace
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._path = "/v1/messages/batches"
        batch = self._path + "/{batch_id}"
        self.app = self.build(
            [
                Route("/v1/messages", self._message, methods=["POST"]),
                Route(self._path, self._create, methods=["POST"]),
                Route(self._path, self._list, methods=["GET"]),
                Route(batch, self._retrieve, methods=["GET"]),
                Route(batch, self._delete, methods=["DELETE"]),
                Route(batch + "/cancel", self._cancel, methods=["POST"]),
                Route(batch + "/results", self._results, methods=["GET"]),
            ],
            Middleware(_KeyCheck, api_key=api_key),
            exception_handlers={HTTPException: _refuse_route},
        )

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve on a socket, and let batches name this address."""
        async with super().serve(host, port) as base_url:
            self._wire.address = base_url
            yield base_url

    async def _message(self, request: Request) -> Response:
        body = await read_json(request)
        await asyncio.sleep(self._pace.answer_seconds)
        answer = await self._answerer.answer(None, body, "")
        if not answer.status:
            refused = ApiError(500, answer.error_message or "Internal server error", code=answer.error_code)
            return JSONResponse(body_of(refused), 500)
        return JSONResponse(answer.body, answer.status)

    async def _create(self, request: Request) -> Response:
        body = await read_object(request)
        refuse_unknown(body, ("requests",))
        requests = body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise ApiError(400, "requests: at least one request is required")
        if len(requests) > self._max_requests:
            raise ApiError(400, f"requests: at most {self._max_requests} requests are allowed")
        _check_ids(requests)
        lines = [json.dumps(one).encode() for one in requests]
        if sum(map(len, lines)) > self._max_bytes:
            raise ApiError(413, "Request exceeds the maximum size")
        path = self._files.new_path()
        await asyncio.to_thread(path.write_bytes, b"".join(line + b"\n" for line in lines))
        stored = self._files.adopt(path, filename="requests.jsonl", purpose="batch", expires_after_seconds=None)
        batch = self._batches.create(
            batch_id=f"msgbatch_{secrets.token_hex(12)}",
            input_file_id=stored.id,
            endpoint="",
            completion_window="24h",
            metadata=None,
            output_expires_after_seconds=None,
            fault=self.faults.take_batch(),
        )
        batch.request_counts.total = len(requests)
        self._runs.start(batch)
        return JSONResponse(self._wire.show(batch, batch.see()))

    async def _list(self, request: Request) -> Response:
        limit, after = read_limit(request, 20, 1_000), request.query_params.get("after_id")
        listed = self._batches.listing()
        ids = [batch.id for batch in listed]
        start = ids.index(after) + 1 if after in ids else 0
        found = listed[start : start + limit]
        return JSONResponse(
            {
                "data": [self._wire.show(batch, batch.see()) for batch in found],
                "has_more": len(listed) > start + limit,
                "first_id": found[0].id if found else None,
                "last_id": found[-1].id if found else None,
            }
        )

    async def _retrieve(self, request: Request) -> Response:
        batch = self._batch(request)
        return JSONResponse(self._wire.show(batch, batch.see()))

    async def _cancel(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch.status in TERMINAL:
            raise ApiError(400, f"Batch {batch.id} has already ended")
        self._runs.cancel(batch)
        return JSONResponse(self._wire.show(batch, batch.see()))

    async def _delete(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch.status not in TERMINAL:
            raise ApiError(400, f"Batch {batch.id} has not ended: cancel it first")
        self._batches.delete(batch.id)
        for file_id in (batch.input_file_id, batch.output_file_id):
            if file_id in self.files:
                self._files.delete(str(file_id))
        return JSONResponse({"id": batch.id, "type": "message_batch_deleted"})

    async def _results(self, request: Request) -> Response:
        batch = self._batch(request)
        stored = self.files.get(batch.output_file_id or "")
        if stored is None:
            raise ApiError(404, f"Batch {batch.id} has no results")
        return FileResponse(stored.path, media_type="application/x-jsonl")

    def _batch(self, request: Request) -> Batch:
        return self._batches.get(request.path_params["batch_id"])


class _KeyCheck:
    """ASGI middleware: a request under `/v1` needs a key and a version; `api_key=None` accepts any key."""

    def __init__(self, app: ASGIApp, api_key: str | None) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            headers = Request(scope).headers
            given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
            refused = None
            if not given or (self._api_key is not None and not hmac.compare_digest(given, self._api_key)):
                refused = ApiError(401, "invalid x-api-key")
            elif "anthropic-version" not in headers:
                refused = ApiError(400, "anthropic-version: header is required")
            if refused:
                await JSONResponse(body_of(refused), refused.status)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _check_ids(requests: list[Any]) -> None:
    seen: set[str] = set()
    for place, one in enumerate(requests):
        if not isinstance(one, dict) or not isinstance(one.get("params"), dict):
            raise ApiError(400, f"requests.{place}.params: Field required")
        refuse_unknown(one, ("custom_id", "params"))
        custom_id = one.get("custom_id")
        if not isinstance(custom_id, str) or not CUSTOM_ID.fullmatch(custom_id):
            raise ApiError(400, f"requests.{place}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if custom_id in seen:
            raise ApiError(400, f"requests.{place}.custom_id: duplicate custom_id '{custom_id}'")
        seen.add(custom_id)


def _refuse_route(request: Request, refused: Exception) -> Response:
    if not isinstance(refused, HTTPException):
        raise refused
    return JSONResponse(body_of(ApiError(refused.status_code, "Not found")), refused.status_code)
