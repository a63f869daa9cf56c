"""The hours of the day in which batches are submitted: `02:00-06:00 Asia/Kolkata`.

A window is about the time that a clock on the wall shows in its zone. So it moves with summer time. One whose end comes
before its beginning goes over midnight.

It opens and closes once for each day, also on the nights on which the clocks change: it may then be an hour longer or
shorter. Where the clock shows a time twice, it opens at the first and closes at the second. Where the clock leaves a
time out, it opens an hour early and closes an hour late. So a window within that hour opens, too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

_FORM: Final = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d) +([A-Za-z][A-Za-z0-9_+/-]{0,60})")


@dataclass(frozen=True, kw_only=True)
class SubmitWindow:
    """From `opens`, and until `closes`, which is not in it, each day."""

    opens: time
    closes: time
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M} {self.zone.key}"

    def is_open(self, now: datetime) -> bool:
        """Whether the window is open."""
        return any(begin <= now < end for begin, end in self._around(now))

    def next_opening(self, now: datetime) -> datetime:
        """When it opens next, in UTC: the first time after now at which it opens."""
        return min(begin for begin, _ in self._around(now) if begin > now)

    def last_opening(self, now: datetime) -> datetime:
        """When it last opened, in UTC: now, or before."""
        return max(begin for begin, _ in self._around(now) if begin <= now)

    def _around(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """From when until when it is open, in UTC, of the days around now."""
        today, goes_over_midnight = now.astimezone(self.zone).date(), self.closes < self.opens
        for number in range(-2, 3):
            day = today + timedelta(days=number)
            last = day + timedelta(days=goes_over_midnight)
            yield min(self._moments(day, self.opens)), max(self._moments(last, self.closes))

    def _moments(self, day: date, at: time) -> list[datetime]:
        """When the clock shows a time of a day, by the offset before a change of the clocks and by that after it."""
        there = datetime.combine(day, at, self.zone)
        return [there.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]


def parse_window(text: Any) -> Any:
    """The window that a setting describes. Raises ValueError for a text that describes none."""
    if not isinstance(text, str):
        return text
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError("it is not like 02:00-06:00 Asia/Kolkata")
    try:
        opens, closes = time.fromisoformat(found[1]), time.fromisoformat(found[2])
        zone = ZoneInfo(found[3])
    except (ValueError, KeyError, OSError):
        raise ValueError("it names no two times of a day, or no time zone, as Asia/Kolkata") from None
    if opens == closes:
        raise ValueError("it opens when it closes; without the setting, batches are submitted at any time")
    return SubmitWindow(opens=opens, closes=closes, zone=zone)
