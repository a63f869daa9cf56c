"""What the headers of Anthropic's answers say of its limits: https://platform.claude.com/docs/en/api/rate-limits."""

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from nightshift.providers.base import RateLimits

_PREFIX = "anthropic-ratelimit-"


def rate_limits(headers: httpx2.Headers) -> RateLimits:
    """The limits that an answer states; a reset is a moment there, and a time from now here."""
    return RateLimits(
        requests=_number(headers.get(f"{_PREFIX}requests-limit")),
        tokens=_number(headers.get(f"{_PREFIX}tokens-limit")),
        remaining_requests=_number(headers.get(f"{_PREFIX}requests-remaining")),
        remaining_tokens=_number(headers.get(f"{_PREFIX}tokens-remaining")),
        requests_reset_seconds=_seconds_to(headers, f"{_PREFIX}requests-reset"),
        tokens_reset_seconds=_seconds_to(headers, f"{_PREFIX}tokens-reset"),
    )


def _number(told: str | None) -> int | None:
    return int(told) if told and told.isascii() and told.isdigit() else None


def _seconds_to(headers: httpx2.Headers, name: str) -> float | None:
    try:
        reset_at = datetime.fromisoformat(headers.get(name, ""))
    except ValueError:
        return None
    now = datetime.now(UTC)
    # Its own clock tells how long that is, if it says what it shows.
    with suppress(ValueError):
        now = _in_utc(parsedate_to_datetime(headers.get("date", "")))
    return max(0.0, (_in_utc(reset_at) - now).total_seconds())


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
