"""The number of jobs in each status, at the price of one read: `metrics/counters`, which the tick keeps.

The database counts 1,000 jobs for the price of one read. Of few jobs that is cheap, and each answer counts anew. Of
many the tick counts, as often as a bounded number of reads a day allows; an answer is then as of its last count. Each
count is exact: all statuses are counted as of one moment.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nightshift.database.collections import METRICS
from nightshift.database.commits import PASSING, Commit
from nightshift.database.fields import time_or_none
from nightshift.errors import TryLater
from nightshift.reports import stats
from nightshift.runtime import Runtime
from nightshift.values.status import STATUSES
from nightshift.values.usage import count_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

_COUNTERS: Final = "counters"
# Fewer jobs are counted for each answer.
_MANY: Final = 10_000
# What the ticks may spend on counting, at one read per 1,000 jobs; and how often they look whether there are many.
_READS_A_DAY: Final = 500_000
_FEW_EVERY: Final = timedelta(hours=1)
# Where no tick has counted for so long, each answer does.
_TOO_OLD: Final = timedelta(hours=3)
_READ_SECONDS: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class JobCounters:
    """The jobs in each status, and the bulk jobs that have not ended, as of one moment."""

    by_status: Mapping[str, int]
    open_bulk_jobs: int
    counted_at: datetime

    @property
    def total(self) -> int:
        """All jobs."""
        return sum(self.by_status.values())

    @property
    def every(self) -> timedelta:
        """How often so many are counted."""
        if self.total < _MANY:
            return _FEW_EVERY
        return timedelta(days=1) * (self.total / 1_000 / _READS_A_DAY)


async def now(runtime: Runtime) -> JobCounters:
    """The counters: of few jobs as of now, of many as of the last count. One read; and one for each 1,000 of few jobs.

    Raises TryLater.
    """
    kept, at = await _read(runtime)
    if kept and kept.total >= _MANY and runtime.now() - kept.counted_at <= _TOO_OLD:
        return kept
    return await _count(runtime, at)


async def keep(runtime: Runtime) -> None:
    """Count anew, if it is time. Raises TryLater; then the next tick does it."""
    kept, at = await _read(runtime)
    if kept and runtime.now() < kept.counted_at + kept.every:
        return
    counters = await _count(runtime, at)
    commit = Commit(runtime)
    fields = {"counts": dict(counters.by_status), "bulkOpen": counters.open_bulk_jobs}
    commit.set(_ref(runtime), {**fields, "countedAt": counters.counted_at})
    await commit.send()


async def _count(runtime: Runtime, at: datetime) -> JobCounters:
    by_status, open_bulk_jobs = await asyncio.gather(
        stats.count_by_status(runtime, at), stats.count_open_bulk_jobs(runtime)
    )
    return JobCounters(by_status=dict(by_status), open_bulk_jobs=open_bulk_jobs, counted_at=runtime.now())


async def _read(runtime: Runtime) -> tuple[JobCounters | None, datetime]:
    """What the last count was, if there was one; and the moment as of which that was read."""
    try:
        snapshot = await _ref(runtime).get(timeout=_READ_SECONDS, retry=None)
    except PASSING as error:
        raise TryLater(f"the counters could not be read: {type(error).__name__}") from error
    fields: dict[str, Any] = snapshot.to_dict() or {}
    counts, counted_at = fields.get("counts"), time_or_none(fields.get("countedAt"))
    if not isinstance(counts, Mapping) or counted_at is None:
        return None, snapshot.read_time
    by_status: dict[str, int] = {status: count_of(counts.get(status)) for status in STATUSES}
    kept = JobCounters(by_status=by_status, open_bulk_jobs=count_of(fields.get("bulkOpen")), counted_at=counted_at)
    return kept, snapshot.read_time


def _ref(runtime: Runtime) -> "AsyncDocumentReference":
    ref: AsyncDocumentReference = runtime.firestore.collection(METRICS).document(_COUNTERS)
    return ref
