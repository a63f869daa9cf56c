"""A limit of requests a minute for direct chat completions, told in the headers that the API has for it.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers. What is taken comes back evenly: at 600 a
minute, one every tenth of a second. A provider may enforce a minute's limit over shorter times: then fewer than a
minute's may come at once. Tokens are not limited.
"""

import math

from local.openai_server.errors import error_body
from local.provider_server.batches import Clock


class RateLimited(Exception):
    """The limit is reached; `body` is OpenAI's error object, `headers` say when to come again."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__("rate limit reached")
        self.headers = headers
        self.body = error_body(
            "Rate limit reached for requests per minute.", code="rate_limit_exceeded", kind="requests"
        )


class RateLimit:
    """The requests of one account; `requests_per_minute=0` is no limit, and no header; `burst=0` is a minute's."""

    def __init__(self, requests_per_minute: int, burst: int, now: Clock) -> None:
        self._per_minute = requests_per_minute
        self._burst = burst or requests_per_minute
        self._now = now
        self._left = float(self._burst)
        self._counted_at: float | None = None

    def take(self) -> dict[str, str]:
        """Count one request; returns the headers of its answer. Raises RateLimited."""
        if not self._per_minute:
            return {}
        now = self._now()
        per_second = self._per_minute / 60
        back = (now - (self._counted_at or now)) * per_second
        self._left = min(self._burst, self._left + back)
        self._counted_at = now
        if self._left < 1:
            wait_seconds = (1 - self._left) / per_second
            more = {"retry-after": str(math.ceil(wait_seconds)), "retry-after-ms": str(math.ceil(wait_seconds * 1000))}
            raise RateLimited(self._headers(per_second) | more)
        self._left -= 1
        return self._headers(per_second)

    def _headers(self, per_second: float) -> dict[str, str]:
        reset_ms = math.ceil((self._burst - self._left) / per_second * 1000)
        return {
            "x-ratelimit-limit-requests": str(self._per_minute),
            "x-ratelimit-remaining-requests": str(int(self._left)),
            "x-ratelimit-reset-requests": f"{reset_ms}ms" if reset_ms < 1000 else f"{reset_ms / 1000:g}s",
        }
