"""Gemini's server: its routes, on the parts that all servers share. It serves `/v1` and `/v1beta` alike."""

import asyncio
import hmac
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from local.gemini_server.api import EMBED, MODEL, NAME, GeminiApi
from local.provider_server.batches import TERMINAL, Batch, Clock
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.files import StoredFile
from local.provider_server.pace import Pace
from local.provider_server.request_body import read_json, read_object
from local.provider_server.server import IMMEDIATE, ProviderServer

_VERSION = "/{version:str}"
_MOST = 100


class GeminiServer(ProviderServer):
    """`api_key=None` accepts any key. A base URL has no path."""

    def __init__(
        self,
        api_key: str | None = None,
        pace: Pace = IMMEDIATE,
        *,
        max_requests: int = 50_000,
        now: Clock = time.time,
    ) -> None:
        self._wire = GeminiApi()
        super().__init__(self._wire, pace, max_requests=max_requests, now=now)
        self._files.prefix = "files/"
        self._pace = pace
        self._address = ""
        # Of an upload that has begun: what its file is to be called.
        self._begun: dict[str, str] = {}
        self.app = self.build(
            [
                Route("/upload" + _VERSION + "/files", self._upload, methods=["POST"]),
                Route(_VERSION + "/files", self._list_files, methods=["GET"]),
                Route(_VERSION + "/files/{file_id}:download", self._download, methods=["GET"]),
                Route("/download" + _VERSION + "/files/{file_id}:download", self._download, methods=["GET"]),
                Route(_VERSION + "/files/{file_id}", self._file, methods=["GET", "DELETE"]),
                Route(_VERSION + "/models/{model}:generateContent", self._generate, methods=["POST"]),
                Route(_VERSION + "/models/{model}:embedContent", self._embed, methods=["POST"]),
                Route(_VERSION + "/models/{model}:batchGenerateContent", self._create, methods=["POST"]),
                Route(_VERSION + "/models/{model}:asyncBatchEmbedContent", self._create, methods=["POST"]),
                Route(_VERSION + "/batches", self._list, methods=["GET"]),
                Route(_VERSION + "/batches/{batch_id}:cancel", self._cancel, methods=["POST"]),
                Route(_VERSION + "/batches/{batch_id}", self._batch_route, methods=["GET", "DELETE"]),
            ],
            Middleware(_KeyCheck, api=self._wire, api_key=api_key),
            exception_handlers={HTTPException: self._refuse_route},
        )

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve on a socket, and let uploads name this address."""
        async with super().serve(host, port) as base_url:
            self._address = base_url
            yield base_url

    async def _upload(self, request: Request) -> Response:
        command = request.headers.get("x-goog-upload-command", "")
        if command == "start":
            described = await read_object(request)
            upload_id = secrets.token_hex(12)
            file = described.get("file") or {}
            self._begun[upload_id] = str(file.get(NAME) or file.get("display_name") or "")
            url = f"{self._address}{request.url.path}?upload_id={upload_id}&upload_protocol=resumable"
            return JSONResponse({}, headers={"X-Goog-Upload-URL": url, "X-Goog-Upload-Status": "active"})
        upload_id = request.query_params.get("upload_id", "")
        if upload_id not in self._begun or "finalize" not in command:
            raise ApiError(400, "There is no such upload.")
        path = self._files.new_path()
        with path.open("wb") as target:
            async for chunk in request.stream():
                await asyncio.to_thread(target.write, chunk)
        fault = self.faults.take_file()
        stored = self._files.adopt(
            path,
            filename=self._begun.pop(upload_id),
            purpose="batch",
            expires_after_seconds=48 * 3600,
        )
        stored.hidden_reads = 0 if fault is None else fault.hidden_reads
        return JSONResponse({"file": self._shown(stored)}, headers={"X-Goog-Upload-Status": "final"})

    async def _list_files(self, request: Request) -> Response:
        page, more = _page([*self._files.listing(None, "desc")], request)
        return JSONResponse({"files": [self._shown(file) for file in page], **more})

    async def _file(self, request: Request) -> Response:
        stored = self._stored(request)
        if request.method == "DELETE":
            self._files.delete(stored.id)
            return JSONResponse({})
        return JSONResponse(self._shown(stored))

    async def _download(self, request: Request) -> Response:
        return FileResponse(self._stored(request).path, media_type="application/octet-stream")

    async def _generate(self, request: Request) -> Response:
        body = await read_json(request)
        await asyncio.sleep(self._pace.answer_seconds)
        answer = await self._answerer.answer(None, body, "")
        if not answer.status:
            raise ApiError(500, answer.error_message or "An internal error has occurred.")
        return JSONResponse(answer.body, answer.status)

    async def _embed(self, request: Request) -> Response:
        answer = await self._answerer.answer(None, await read_json(request), EMBED)
        # In real time it does not count.
        said = {name: part for name, part in answer.body.items() if name != "tokenCount"}
        return JSONResponse(said, answer.status or 500)

    async def _create(self, request: Request) -> Response:
        batch_fields = (await read_object(request)).get("batch") or {}
        # Google's JSON takes names in either spelling; for embeddings the official SDK takes the other one.
        config = batch_fields.get("inputConfig") or {}
        name = config.get("fileName") or config.get("file_name")
        if not isinstance(name, str):
            raise ApiError(400, "This server takes a batch's requests from a file: inputConfig.fileName.")
        self._files.get(name)
        batch = self._batches.create(
            batch_id=f"batches/{secrets.token_hex(12)}",
            input_file_id=name,
            endpoint=EMBED if request.url.path.endswith(":asyncBatchEmbedContent") else "",
            completion_window="24h",
            metadata={NAME: str(batch_fields.get(NAME, "")), MODEL: request.path_params["model"]},
            output_expires_after_seconds=None,
            fault=self.faults.take_batch(),
        )
        self._runs.start(batch)
        return JSONResponse(self._wire.show(batch, batch.see()))

    async def _list(self, request: Request) -> Response:
        # In no order that is stated: here the oldest first.
        page, more = _page(self._batches.listing()[::-1], request)
        return JSONResponse({"operations": [self._wire.show(batch, batch.see()) for batch in page], **more})

    async def _batch_route(self, request: Request) -> Response:
        batch = self._batch(request)
        if request.method == "DELETE":
            if batch.status not in TERMINAL:
                raise ApiError(400, "A batch that has not ended cannot be deleted here: cancel it first.")
            self._batches.delete(batch.id)
            if batch.status == "cancelled" and batch.output_file_id:
                # It was shown nowhere, so no client could delete it.
                self._files.delete(batch.output_file_id)
            return JSONResponse({})
        return JSONResponse(self._wire.show(batch, batch.see()))

    async def _cancel(self, request: Request) -> Response:
        batch = self._batch(request)
        if batch.status in TERMINAL:
            raise ApiError(400, "The batch has ended.")
        self._runs.cancel(batch)
        return JSONResponse({})

    def _shown(self, file: StoredFile) -> JsonObject:
        created_at = datetime.fromtimestamp(file.created_at, UTC).isoformat().replace("+00:00", "Z")
        return {
            "name": file.id,
            NAME: file.filename if file.purpose == "batch" else "",
            "mimeType": "application/jsonl",
            "sizeBytes": str(file.bytes),
            "createTime": created_at,
            "uri": f"{self._address}/v1beta/{file.id}",
            "state": "ACTIVE",
        }

    def _stored(self, request: Request) -> StoredFile:
        return self._files.get(f"files/{request.path_params['file_id']}")

    def _batch(self, request: Request) -> Batch:
        return self._batches.get(f"batches/{request.path_params['batch_id']}")

    def _refuse_route(self, request: Request, refused: Exception) -> Response:
        if not isinstance(refused, HTTPException):
            raise refused
        body = self._wire.error_body(ApiError(refused.status_code, "Not found"))
        return JSONResponse(body, refused.status_code)


class _KeyCheck:
    """ASGI middleware: every request needs a key; `api_key=None` accepts any."""

    def __init__(self, app: ASGIApp, api: GeminiApi, api_key: str | None) -> None:
        self._app = app
        self._api = api
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(self._api.paths):
            request = Request(scope)
            given = request.headers.get("x-goog-api-key", "")
            # The address of an upload that has begun is a key by itself.
            if "upload_id" in request.query_params:
                pass
            elif not given or (self._api_key is not None and not hmac.compare_digest(given, self._api_key)):
                refused = ApiError(400, "API key not valid. Please pass a valid API key.")
                await JSONResponse(self._api.error_body(refused), 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _page(listed: list[Any], request: Request) -> tuple[list[Any], JsonObject]:
    size = min(_MOST, int(request.query_params.get("pageSize", _MOST)))
    start = int(request.query_params.get("pageToken") or 0)
    more = {"nextPageToken": str(start + size)} if len(listed) > start + size else {}
    return listed[start : start + size], more
