"""One server: its parts put together, and its life from the first connection to the removed directory."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from local.openai_server.answers import Answerer
from local.openai_server.batch_routes import BatchRoutes
from local.openai_server.batch_run import BatchRuns
from local.openai_server.batches import Batch, BatchError, BatchStore, Clock, Status
from local.openai_server.chat_routes import ChatRoutes
from local.openai_server.control import ControlRoutes
from local.openai_server.errors import JsonObject
from local.openai_server.fault_layer import Call, FaultLayer, Transports, tracking_protocol
from local.openai_server.faults import Faults
from local.openai_server.file_routes import FileRoutes
from local.openai_server.files import FileStore, StoredFile
from local.openai_server.pace import Pace
from local.openai_server.rate_limit import RateLimit
from local.openai_server.routes import build_app
from local.openai_server.script import Script
from local.openai_server.upstream import Upstream
from local.openai_server.webhooks import Delivery, Webhooks, event_body, new_event_id, new_secret, signed_headers
from local.serve import serving

KEPT_CALLS = 10_000
IMMEDIATE = Pace()


class OpenAIServer:
    """An OpenAI-compatible server; `server.app` is its Starlette app, `serve()` puts it on a socket.

    `api_key=None` accepts any key. `upstream` is the base URL of a server that answers instead of the stand-in;
    a batch then has `upstream_concurrency` requests under way at once. `webhook_url` gets an event for every batch that
    has ended, signed with `webhook_secret` (`whsec_…`, a new one by default). `requests_per_minute` limits direct
    chat completions, 0 does not; of these `requests_burst` may come at once, 0 is a minute's.
    """

    # Another provider that speaks this API: what it says in its own way, and what it refuses besides.
    dialect: Callable[[ASGIApp], ASGIApp] | None = None
    check_body: Callable[[JsonObject], None] | None = None

    def __init__(
        self,
        api_key: str | None = None,
        pace: Pace = IMMEDIATE,
        upstream: str | None = None,
        *,
        upstream_key: str | None = None,
        upstream_concurrency: int = 8,
        max_requests: int = 50_000,
        max_batch_bytes: int = 200_000_000,
        requests_per_minute: int = 0,
        requests_burst: int = 0,
        now: Clock = time.time,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
    ) -> None:
        self.webhook_secret = webhook_secret or new_secret()
        self.faults = Faults()
        self.script = Script()
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._transports: Transports = {}
        self._files = FileStore(now)
        self._batches = BatchStore(now)
        self._upstream = Upstream(upstream, upstream_key, upstream_concurrency) if upstream else None
        self._webhooks = Webhooks(webhook_url, self.webhook_secret)
        answerer = Answerer(self.faults, self.script, self._upstream, self.check_body)
        self._runs = BatchRuns(
            self._files,
            answerer,
            self.script,
            pace,
            workers=upstream_concurrency if upstream else 1,
            max_requests=max_requests,
            announce=self._webhooks.announce,
        )
        self.app: ASGIApp = build_app(
            FileRoutes(self._files, self.faults, max_batch_bytes),
            BatchRoutes(self._batches, self._files, self._runs, self.faults),
            ChatRoutes(answerer, RateLimit(requests_per_minute, requests_burst, now), pace.answer_seconds),
            ControlRoutes(
                faults=self.faults,
                runs=self._runs,
                calls=lambda: self.calls,
                expire=self.expire,
                fail=self.fail,
            ),
            api_key=api_key,
            fault_layer=Middleware(FaultLayer, faults=self.faults, calls=self._calls, transports=self._transports),
            dialect=self.dialect,
        )

    @property
    def calls(self) -> list[Call]:
        """The last 10,000 requests under `/v1`, in the order of their arrival."""
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

    def webhook(
        self,
        batch_id: str,
        kind: str = "batch.completed",
        *,
        event_id: str | None = None,
        sent_at: float | None = None,
        secret: str | None = None,
        body: bytes | None = None,
    ) -> Delivery:
        """The signed headers and the raw body of an event, for a test to deliver, repeat, delay or forge.

        Whether the event is true does not matter; `sent_at` is in Unix seconds, `body` replaces the event's own.
        """
        event_id = new_event_id() if event_id is None else event_id
        body = event_body(batch_id, kind) if body is None else body
        sent_at = time.time() if sent_at is None else sent_at
        return signed_headers(secret or self.webhook_secret, event_id, body, int(sent_at)), body

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve on a socket in this event loop and yield the base URL, which ends in `/v1`; then close."""
        try:
            async with serving(self.app, host, port, http=tracking_protocol(self._transports)) as address:
                try:
                    yield f"http://{address}/v1"
                finally:
                    await self._runs.close()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop every batch and remove all files; `serve()` does it by itself."""
        await self._runs.close()
        await self._webhooks.close()
        if self._upstream is not None:
            await self._upstream.close()
        self._files.close()
