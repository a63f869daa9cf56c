"""OpenAI's server: its parts put together."""

import time
from collections.abc import Callable

from starlette.types import ASGIApp

from local.openai_server.answer_pace import AnswerPace
from local.openai_server.api import OpenAIApi
from local.openai_server.batch_routes import BatchRoutes
from local.openai_server.chat_routes import ChatRoutes
from local.openai_server.file_routes import FileRoutes
from local.openai_server.rate_limit import RateLimit
from local.openai_server.routes import exception_handlers, middleware, routes
from local.openai_server.upstream import Upstream
from local.openai_server.webhooks import Delivery, Webhooks, event_body, new_event_id, new_secret, signed_headers
from local.provider_server.batches import Clock
from local.provider_server.errors import JsonObject
from local.provider_server.pace import Pace
from local.provider_server.server import IMMEDIATE, ProviderServer


class OpenAIServer(ProviderServer):
    """An OpenAI-compatible server.

    `api_key=None` accepts any key. `upstream` is the base URL of a server that answers instead of the stand-in;
    a batch then has `upstream_concurrency` requests under way at once. `webhook_url` gets an event for every batch that
    has ended, signed with `webhook_secret` (`whsec_…`, a new one by default). `requests_per_minute` limits direct
    chat completions, 0 does not; of these `requests_burst` may come at once, 0 is a minute's.
    """

    base_path = "/v1"
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
        self._upstream = Upstream(upstream, upstream_key, upstream_concurrency) if upstream else None
        self._webhooks = Webhooks(webhook_url, self.webhook_secret)
        super().__init__(
            OpenAIApi(self.check_body),
            pace,
            upstream=self._upstream,
            workers=upstream_concurrency if upstream else 1,
            max_requests=max_requests,
            now=now,
            announce=self._webhooks.announce,
        )
        self.app = self.build(
            routes(
                FileRoutes(self._files, self.faults, max_batch_bytes),
                BatchRoutes(self._batches, self._files, self._runs, self.faults),
                ChatRoutes(
                    self._answerer,
                    RateLimit(requests_per_minute, requests_burst, now),
                    AnswerPace(pace.answer_seconds, pace.longest_answer_seconds, pace.answers_at_once),
                ),
            ),
            *middleware(api_key, self.dialect),
            exception_handlers=exception_handlers(),
        )

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

    async def close(self) -> None:
        """Stop every batch and remove all files; `serve()` does it by itself."""
        await super().close()
        await self._webhooks.close()
        if self._upstream is not None:
            await self._upstream.close()
