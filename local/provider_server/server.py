"""One server: its parts put together, and its life from the first connection to the removed directory."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, ExceptionHandler

from local.provider_server.answers import Answerer, Asks
from local.provider_server.api import Api
from local.provider_server.batch_run import BatchRuns
from local.provider_server.batches import Batch, BatchError, BatchStore, Clock, Seen, Status
from local.provider_server.control import ControlRoutes
from local.provider_server.errors import ApiError
from local.provider_server.fault_layer import Call, FaultLayer, Transports, tracking_protocol
from local.provider_server.faults import Faults
from local.provider_server.files import FileStore, StoredFile
from local.provider_server.pace import Pace
from local.provider_server.script import Script
from local.serve import serving

KEPT_CALLS = 10_000
IMMEDIATE = Pace()


class ProviderServer:
    """A server that speaks one provider's API; `server.app` is its Starlette app, `serve()` puts it on a socket.

    A provider's own server makes the routes, and calls `build` once.
    """

    # What follows the address in a base URL.
    base_path = ""

    def __init__(
        self,
        api: Api,
        pace: Pace = IMMEDIATE,
        *,
        upstream: Asks | None = None,
        workers: int = 1,
        max_requests: int,
        now: Clock = time.time,
        announce: Callable[[Batch], None] = lambda _: None,
    ) -> None:
        self.faults = Faults()
        self.script = Script()
        self.app: ASGIApp
        self._api = api
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._transports: Transports = {}
        self._files = FileStore(now)
        self._batches = BatchStore(now)
        self._answerer = Answerer(api, self.faults, self.script, upstream)
        self._runs = BatchRuns(
            api,
            self._files,
            self._answerer,
            self.script,
            pace,
            workers=workers,
            max_requests=max_requests,
            announce=announce,
        )

    def build(
        self,
        routes: Sequence[BaseRoute],
        *middleware: Middleware,
        exception_handlers: Mapping[type[Exception], ExceptionHandler] | None = None,
    ) -> Starlette:
        """The app; the fault layer is outermost: a fault strikes requests without a key as well."""
        control = ControlRoutes(
            faults=self.faults,
            runs=self._runs,
            calls=lambda: self.calls,
            shown=lambda batch: self._api.show(batch, Seen()),
            expire=self.expire,
            fail=self.fail,
        )
        layer = Middleware(
            FaultLayer, api=self._api, faults=self.faults, calls=self._calls, transports=self._transports
        )
        return Starlette(
            routes=[*routes, Mount("/control", routes=control.routes())],
            middleware=[layer, *middleware],
            exception_handlers={ApiError: self._refuse, **(exception_handlers or {})},
        )

    def _refuse(self, _: Request, refused: Exception) -> Response:
        if not isinstance(refused, ApiError):
            raise refused
        return JSONResponse(self._api.error_body(refused), refused.status)

    @property
    def calls(self) -> list[Call]:
        """The last 10,000 requests under the API's paths, in the order of their arrival."""
        return list(self._calls)

    @property
    def files(self) -> Mapping[str, StoredFile]:
        """The files that exist, by id; a content is at `file.path`."""
        return self._files.view

    @property
    def batches(self) -> Mapping[str, Batch]:
        """The batches by id, as they truly are, whatever a fault shows to clients."""
        return self._batches.view

    def hold(self, status: Status, answered: int = 0) -> None:
        """Keep every batch that reaches `status` there; in `in_progress` after `answered` lines."""
        self._runs.hold(status, answered)

    def release(self, status: Status | None = None) -> None:
        """Lift one hold, or all."""
        self._runs.release(status)

    async def expire(self, batch_id: str, answered: int = 0) -> Batch:
        """Let a batch expire, held or not, with its first `answered` lines done; returns when it has."""
        batch = self._batches.get(batch_id)
        self._runs.end(batch, "expired", answered)
        await self._runs.finished(batch)
        return batch

    async def fail(self, batch_id: str, code: str, message: str = "This failure was scripted.") -> Batch:
        """Let a batch fail late, e.g. with `token_limit_exceeded`; returns when it has."""
        batch = self._batches.get(batch_id)
        self._runs.end(batch, "failed")
        batch.errors = [BatchError(code, message)]
        await self._runs.finished(batch)
        return batch

    async def settled(self) -> None:
        """Return when no batch is moving on its own: each is terminal or held. Raises what a hook raised."""
        await self._runs.settled()

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve on a socket in this event loop and yield the base URL; then close."""
        try:
            async with serving(self.app, host, port, http=tracking_protocol(self._transports)) as address:
                try:
                    yield f"http://{address}{self.base_path}"
                finally:
                    await self._runs.close()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop every batch and remove all files; `serve()` does it by itself."""
        await self._runs.close()
        self._files.close()
