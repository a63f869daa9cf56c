"""What batches and instant answers cost, summed up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class BatchCost:
    """One batch, as a bill sees it."""

    # In UTC, as `2025-06-19`: the day on which it was created.
    day: str
    lane: str
    is_open: bool
    completed: int
    failed: int
    # By the usage that the provider counted; None while it is open, and for a model without a listed price.
    cost_usd: float | None
    realtime_cost_usd: float | None


@dataclass(frozen=True, kw_only=True)
class InstantCost:
    """The answers in real time of one day."""

    # In UTC, as `2025-06-19`: the day on which their jobs ended.
    day: str
    # Those for which something was paid, whatever became of them.
    jobs: int
    cost_usd: float
    # Of the costs what the items of bulk jobs cost.
    bulk_usd: float
    # Of the jobs those whose model has no listed price.
    unpriced_jobs: int


@dataclass(frozen=True, kw_only=True)
class Bill:
    """A sum over batches. Those that are still open, or have no listed price, are counted apart, and cost nothing."""

    batches: int = 0
    completed: int = 0
    failed: int = 0
    cost_usd: float = 0.0
    realtime_cost_usd: float = 0.0
    open_batches: int = 0
    unpriced_batches: int = 0
    # The completed jobs of the priced batches.
    priced: int = 0

    @property
    def saved_usd(self) -> float:
        """What the same answers would have cost more in real time."""
        return self.realtime_cost_usd - self.cost_usd

    @property
    def usd_per_completed_job(self) -> float | None:
        """What one answer cost; None if no answer has a price."""
        return self.cost_usd / self.priced if self.priced else None

    def with_batch(self, batch: BatchCost) -> Self:
        """The bill after one more batch."""
        if batch.is_open:
            return replace(self, batches=self.batches + 1, open_batches=self.open_batches + 1)
        ended = replace(
            self,
            batches=self.batches + 1,
            completed=self.completed + batch.completed,
            failed=self.failed + batch.failed,
        )
        if batch.cost_usd is None:
            return replace(ended, unpriced_batches=self.unpriced_batches + 1)
        return replace(
            ended,
            cost_usd=self.cost_usd + batch.cost_usd,
            realtime_cost_usd=self.realtime_cost_usd + (batch.realtime_cost_usd or 0.0),
            priced=self.priced + batch.completed,
        )


@dataclass(frozen=True, kw_only=True)
class LastNight:
    """What some days did, as an admin asks in the morning."""

    # The first day, in UTC, as `2025-06-19`.
    since: str
    bill: Bill
    answers: Sequence[InstantCost]

    def fields(self) -> dict[str, Any]:
        """For people and programs."""
        instant_usd = sum(day.cost_usd for day in self.answers)
        return {
            "since": self.since,
            "batches": self.bill.batches,
            "completed": self.bill.completed,
            "failed": self.bill.failed,
            "instantJobs": sum(day.jobs for day in self.answers),
            "costUsd": self.bill.cost_usd + instant_usd,
            "savedUsd": self.bill.saved_usd,
        }
