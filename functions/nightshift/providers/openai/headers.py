"""What the headers of OpenAI's answers say: how much the provider takes, and when it wants to be asked again."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

import httpx2

from nightshift.providers.base import ProviderTrouble, RateLimits

# `1s`, `6m0s`, `20ms`: the forms of a reset.
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_SECONDS_OF: Final = (3600.0, 60.0, 1.0, 0.001)


def rate_limits(headers: httpx2.Headers) -> RateLimits:
    """What the provider says of its limits: https://platform.openai.com/docs/guides/rate-limits."""
    return RateLimits(
        requests=_number(headers.get("x-ratelimit-limit-requests")),
        tokens=_number(headers.get("x-ratelimit-limit-tokens")),
        remaining_requests=_number(headers.get("x-ratelimit-remaining-requests")),
        remaining_tokens=_number(headers.get("x-ratelimit-remaining-tokens")),
        requests_reset_seconds=_duration_seconds(headers.get("x-ratelimit-reset-requests")),
        tokens_reset_seconds=_duration_seconds(headers.get("x-ratelimit-reset-tokens")),
    )


def _number(told: str | None) -> int | None:
    return int(told) if told and told.isascii() and told.isdigit() else None


def _duration_seconds(told: str | None) -> float | None:
    parts = _DURATION.fullmatch(told) if told else None
    if parts is None:
        return None
    return sum(float(part or 0) * seconds for part, seconds in zip(parts.groups(), _SECONDS_OF, strict=True))


def retry_after_seconds(headers: httpx2.Headers) -> float | None:
    """What `retry-after-ms` says, or `Retry-After` in one of its two forms (RFC 9110, 10.2.3)."""
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(ValueError):
            wait = float(headers.get(name, "")) * seconds
            if isfinite(wait) and wait >= 0:
                return wait
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    # Its own clock tells how long that is, if it says what it shows; a date without a zone is in UTC.
    with suppress(ValueError):
        now = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (_in_utc(until) - _in_utc(now)).total_seconds())
    return max(0.0, (_in_utc(until) - datetime.now(UTC)).total_seconds())


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def refuse_web_page(headers: httpx2.Headers) -> None:
    """Raise ProviderTrouble for what a proxy says in the provider's place, with a 200."""
    if headers.get("content-type", "").startswith("text/html"):
        raise ProviderTrouble("a web page came instead of an answer")
