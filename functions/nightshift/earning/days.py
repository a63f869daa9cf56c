"""A user's days: the server's time in the user's stored zone, and never one twice.

A user's day begins when the server sees the user on a later date than before. Its date only ever grows, so a clock that
is moved, or a zone that is changed back, brings no day again.

After a change of zone, the next day begins 24 hours after the last one at the earliest. So who travels, or says so,
has no more days than who stays. A zone may be changed once in thirty days.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from nightshift.database.fields import time_or_none
from nightshift.values.time_zones import is_zone

DEFAULT_ZONE: Final = "UTC"
_BETWEEN_CHANGES: Final = timedelta(days=30)
_A_DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """A user's zone, and the day that is going on there."""

    zone: str = DEFAULT_ZONE
    # When the user last chose another zone; None for the first one.
    zone_changed_at: datetime | None = None
    # As `2026-11-28`, and when the server first saw the user on it; None before the first.
    day: str | None = None
    day_began_at: datetime | None = None

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> "Calendar":
        """The calendar in the fields of `economy/{uid}`."""
        today = fields.get("today")
        today = today if isinstance(today, Mapping) else {}
        zone = fields.get("timeZone")
        return cls(
            zone=zone if isinstance(zone, str) and is_zone(zone) else DEFAULT_ZONE,
            zone_changed_at=time_or_none(fields.get("timeZoneChangedAt")),
            day=today["day"] if isinstance(today.get("day"), str) else None,
            day_began_at=time_or_none(today.get("beganAt")),
        )

    def fields(self) -> dict[str, Any]:
        """The same as fields."""
        changed = {"timeZoneChangedAt": self.zone_changed_at} if self.zone_changed_at else {}
        today = {"today": {"day": self.day, "beganAt": self.day_began_at}} if self.day else {}
        return {"timeZone": self.zone, **changed, **today}

    def zone_may_change_at(self) -> datetime | None:
        """When another zone may be chosen; None for at once."""
        return self.zone_changed_at + _BETWEEN_CHANGES if self.zone_changed_at else None

    def in_zone(self, zone: str, now: datetime) -> "Calendar":
        """The calendar once the user has chosen this zone; unchanged where it may not be chosen yet."""
        if zone == self.zone:
            return self
        if self.day is None:
            return replace(self, zone=zone)
        may_change_at = self.zone_may_change_at()
        if may_change_at and now < may_change_at:
            return self
        return replace(self, zone=zone, zone_changed_at=now)

    def at(self, now: datetime) -> "Calendar":
        """The calendar at a moment of the server's: the day that goes on, or the one that begins now."""
        seen = now.astimezone(ZoneInfo(self.zone)).date().isoformat()
        if self.day and (seen <= self.day or self._waits(now)):
            return self
        return replace(self, day=seen, day_began_at=now)

    def _waits(self, now: datetime) -> bool:
        began_at, changed_at = self.day_began_at, self.zone_changed_at
        return bool(began_at and changed_at and changed_at >= began_at and now < began_at + _A_DAY)


def follows(day: str, before: str | None) -> bool:
    """Whether a day is the one after another, both as `2026-11-28`."""
    try:
        return before is not None and date.fromisoformat(day) - date.fromisoformat(before) == timedelta(days=1)
    except ValueError:
        return False
