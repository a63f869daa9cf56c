"""The period of a report: a day, a week or a month, in UTC."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

PeriodName = Literal["day", "week", "month"]
PERIODS: Final[tuple[PeriodName, ...]] = ("day", "week", "month")


@dataclass(frozen=True, kw_only=True)
class Period:
    """From one day to another, both included."""

    name: PeriodName
    since: date
    until: date

    @classmethod
    def around(cls, day: date, name: PeriodName) -> "Period":
        """The day, its week from Monday on, or its month."""
        if name == "week":
            since = day - timedelta(days=day.weekday())
            return cls(name=name, since=since, until=since + timedelta(days=6))
        if name == "month":
            last = monthrange(day.year, day.month)[1]
            return cls(name=name, since=day.replace(day=1), until=day.replace(day=last))
        return cls(name=name, since=day, until=day)

    @property
    def begins_at(self) -> datetime:
        """Its first moment."""
        return datetime.combine(self.since, time(), tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first moment behind it."""
        return datetime.combine(self.until + timedelta(days=1), time(), tzinfo=UTC)
