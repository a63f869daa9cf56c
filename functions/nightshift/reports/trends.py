"""Week on week: four figures of each week, and by how much they changed. It knows no clock and no database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from nightshift.reports.history import History
from nightshift.values.day_sums import EndSums

WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class WeekTrend:
    """A week beside the week before."""

    since: date
    until: date
    sums: EndSums
    before: EndSums

    @property
    def success_rate_change(self) -> float | None:
        """A difference; None where one of the weeks has no rate."""
        rate, before = self.sums.success_rate, self.before.success_rate
        return None if rate is None or before is None else rate - before

    def wait_change(self, share: float) -> float | None:
        """By which share of the week before this quantile of waiting changed; None = nothing to compare."""
        return _change(self.sums.waits.quantile(share), self.before.waits.quantile(share))

    @property
    def cost_change(self) -> float | None:
        """By which share of the week before the cost of an answer changed; None = nothing to compare."""
        return _change(self.sums.usd_per_completed_job, self.before.usd_per_completed_job)


def first_day(until: date, weeks: int) -> date:
    """The first day that is needed to compare so many weeks, of which the last ends with `until`."""
    return until - WEEK * (weeks + 1) + _DAY


def trends_of(history: History, until: date, weeks: int) -> Iterator[WeekTrend]:
    """So many weeks, the oldest first; the last one ends with `until`."""
    for number in reversed(range(weeks)):
        last = until - WEEK * number
        first = last - WEEK + _DAY
        yield WeekTrend(
            since=first,
            until=last,
            sums=history.total(first, last),
            before=history.total(first - WEEK, last - WEEK),
        )


def _change(now: float | None, before: float | None) -> float | None:
    return now / before - 1 if now is not None and before else None
