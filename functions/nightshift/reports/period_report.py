"""A report of a day, a week or a month: what happened, what it cost and saved, what went wrong, and what was done.

All sums are the history's, so they add up with the documents. A batch counts on the day on which it was created. An
answer in real time on the day on which it came, as in `./nightshift bill`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.batches import documents as batches
from nightshift.reports import alerts, history
from nightshift.reports.alert import Alert
from nightshift.reports.history import History
from nightshift.reports.period import Period
from nightshift.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class PeriodReport:
    """What there is to say of a period."""

    period: Period
    history: History
    # Opened in the period, the newest first.
    alerts: Sequence[Alert]
    # Batches of the period that are still open: they are in no sum.
    open_batches: int

    @property
    def is_final(self) -> bool:
        """Whether no number of it can change any more: the period is over, and all of it was counted."""
        folded_until = self.history.state.folded_until
        is_over = folded_until is not None and folded_until >= self.period.ends_at
        return is_over and not self.open_batches

    @property
    def acknowledged(self) -> int:
        """Alerts that an admin has seen."""
        return sum(alert.acknowledged_at is not None for alert in self.alerts)


async def read(runtime: Runtime, period: Period) -> PeriodReport:
    """The report of a period. One read a day, one for each alert and each open batch, and three more."""
    days, opened, found = await asyncio.gather(
        history.read(runtime, period.since, period.until),
        alerts.opened_between(runtime, period.begins_at, period.ends_at),
        batches.open_batches(runtime),
    )
    first, last = f"{period.since}", f"{period.until}"
    created = [str((one.snapshot.to_dict() or {}).get("budgetDay")) for one in found]
    still_open = sum(first <= day <= last for day in created)
    return PeriodReport(period=period, history=days, alerts=opened, open_batches=still_open)
