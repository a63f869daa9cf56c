"""What a user has besides tokens: `economy/{uid}`, with points, streak, counters and days."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from nightshift.earning.days import Calendar, follows
from nightshift.values.usage import count_of

# CONTRACT.md, section 9.
POINTS_FOR_AN_ANSWER: Final = 10
POINTS_FOR_A_TOKEN: Final = 100


@dataclass(frozen=True, kw_only=True)
class Streak:
    """Days on which a user logged in, one after another."""

    # The last of them, as `2026-11-28`; None before the first.
    day: str | None = None
    length: int = 0
    longest: int = 0

    @classmethod
    def read(cls, fields: Any) -> "Streak":
        """The streak in a document's field."""
        fields = fields if isinstance(fields, Mapping) else {}
        day = fields.get("day")
        return cls(
            day=day if isinstance(day, str) else None,
            length=count_of(fields.get("length")),
            longest=count_of(fields.get("longest")),
        )

    def with_login(self, day: str) -> "Streak":
        """The streak once the user has logged in on a day after the last one."""
        length = self.length + 1 if follows(day, self.day) else 1
        return Streak(day=day, length=length, longest=max(self.longest, length))

    def fields(self) -> dict[str, Any]:
        """The document's field."""
        return {"day": self.day, "length": self.length, "longest": self.longest}


@dataclass(frozen=True, kw_only=True)
class Economy:
    """What a user has earned and not turned into tokens, and what the rules of achievements look at."""

    points: int = 0
    # Single jobs that were completed while there were points for them; by their type, too.
    answered: int = 0
    answered_of: Mapping[str, int] = field(default_factory=dict)
    streak: Streak = field(default_factory=Streak)
    calendar: Calendar = field(default_factory=Calendar)

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "Economy":
        """The economy in a document's fields; a user without one has nothing."""
        fields = fields or {}
        by_type = fields.get("answeredOf")
        return cls(
            points=count_of(fields.get("points")),
            answered=count_of(fields.get("answered")),
            answered_of={str(name): count_of(count) for name, count in by_type.items()}
            if isinstance(by_type, Mapping)
            else {},
            streak=Streak.read(fields.get("streak")),
            calendar=Calendar.read(fields),
        )

    def counter(self, name: str) -> int:
        """What a rule counts: `answered`, `answered.{jobType}`, `streak` (the longest). Raises KeyError for another."""
        if name == "streak":
            return self.streak.longest
        counted, _, job_type = name.partition(".")
        if counted != "answered":
            raise KeyError(name)
        return self.answered_of.get(job_type, 0) if job_type else self.answered

    def on_day(self, now: datetime, zone: str | None) -> "Economy":
        """The economy at a moment of the server's, in the zone that the user chooses, if any."""
        calendar = self.calendar.in_zone(zone, now) if zone else self.calendar
        return replace(self, calendar=calendar.at(now))

    def with_login(self, day: str) -> "Economy":
        """The economy once the user has logged in on a day."""
        return replace(self, streak=self.streak.with_login(day))

    def without_points(self, points: int) -> "Economy":
        """The economy once points were turned into tokens."""
        return replace(self, points=self.points - points)

    def claim_fields(self) -> dict[str, Any]:
        """The fields that a claim writes. What answers add up is left to them."""
        return {"points": self.points, "streak": self.streak.fields(), **self.calendar.fields()}
