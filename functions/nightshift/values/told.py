"""Money and times as sentences for operators tell them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

# How a time is written, given the present.
Telling = Callable[[datetime, datetime], str]


def dollars(amount: float) -> str:
    """An amount of US dollars: to the cent, or what is less than a dollar to two digits."""
    if amount >= 0.995 or not amount:
        return f"US$ {amount:,.2f}"
    return "US$ " + f"{float(f'{amount:.2g}'):.10f}".rstrip("0")


def moment(at: datetime, now: datetime) -> str:
    """A time in UTC, and how long ago it was, or how long it still is until then."""
    ago = now - at
    told = f"in {duration(-ago)}" if ago < timedelta() else f"{duration(ago)} ago"
    return f"{clock(at)} ({told})"


def clock(at: datetime) -> str:
    """A time in UTC as `2026-11-28 10:30:00 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def stamp(at: datetime, _now: datetime) -> str:
    """A time in UTC as `2026-11-28T10:30:00Z`, which a page shows in its reader's zone."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def duration(long: timedelta) -> str:
    """How long something takes, in its largest unit, and below three of those in the next one too."""
    seconds = max(0, round(long.total_seconds()))
    for (unit, length), (smaller, smaller_length) in pairwise(_UNITS):
        if seconds >= length:
            rest = seconds % length // smaller_length
            return f"{seconds // length} {unit}" + (f" {rest} {smaller}" if rest and seconds < 3 * length else "")
    return f"{seconds} s"
