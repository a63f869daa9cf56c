"""The hours of the day in which batches are submitted: `02:00-06:00 Asia/Kolkata`.

A window is about the time that a clock on the wall shows in its zone. So it moves with summer time, and on the night of
the change it is an hour longer or shorter. One whose end comes before its beginning goes over midnight.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
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
        there = now.astimezone(self.zone).time()
        if self.opens < self.closes:
            return self.opens <= there < self.closes
        return there >= self.opens or there < self.closes

    def next_opening(self, now: datetime) -> datetime:
        """When it opens next, in UTC: the first time after now at which it opens."""
        return self._opening(now, range(3), later=True)

    def last_opening(self, now: datetime) -> datetime:
        """When it last opened, in UTC: now, or before."""
        return self._opening(now, range(0, -3, -1), later=False)

    def _opening(self, now: datetime, days: range, *, later: bool) -> datetime:
        today = now.astimezone(self.zone).date()
        for day in days:
            opening = datetime.combine(today + timedelta(days=day), self.opens, self.zone).astimezone(UTC)
            if (opening > now) == later:
                return opening
        raise AssertionError("it opens each day")


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
