"""Progress: how far a running bulk job is, and when it will end, as its document says it.

The app listens to this document, and each write of it is paid. So it is written at most every five seconds, where a
part closed, a worker checked in, or the provider counted more answers. A forecast that grows old is written anew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from nightshift.bulk import forecast, transitions
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.part import BulkPart
from nightshift.runtime import Runtime

_EVERY: Final = timedelta(seconds=5)
# A range is foretold anew after this, also where nothing has ended meanwhile.
_ETA_LASTS: Final = timedelta(minutes=9)
_NOTHING_ANSWERED: Final[Mapping[str, int]] = {}


def is_due(bulk: BulkJob, now: datetime) -> bool:
    """Whether the document may be written again."""
    return bulk.progress_at is None or now - bulk.progress_at >= _EVERY


def told(runtime: Runtime, bulk: BulkJob, parts: Sequence[BulkPart]) -> dict[str, Any]:
    """What the document says of the parts; in real time, also what they count against the budget of the day."""
    budget = _budget(runtime, bulk, parts) if bulk.speed == "instant" else {}
    return {**transitions.told(parts), **budget}


async def note(
    runtime: Runtime, bulk: BulkJob, parts: Sequence[BulkPart], answered: Mapping[str, int] = _NOTHING_ANSWERED
) -> None:
    """Write it, if it is due and says something new.

    Args:
        answered: how many answers the provider counts in each batch that is under way.
    """
    now = runtime.now()
    since = now - (bulk.progress_at or bulk.started_at or now)
    news = {**told(runtime, bulk, parts), "progress": _share(parts, answered)}
    is_news = (news["counts"], news["progress"]) != (bulk.counts.fields(), bulk.progress)
    is_written = is_due(bulk, now) and is_news
    if bulk.status == "running" and (is_written or since >= _ETA_LASTS):
        left = forecast.left_of(bulk, parts, now)
        news |= forecast.told(bulk, await forecast.forecast(runtime, bulk, left, bulk.speed or "batch"))
    elif not is_written:
        return
    await transitions.note_progress(runtime, bulk, news)


def _share(parts: Sequence[BulkPart], answered: Mapping[str, int]) -> float:
    """The share of items that have ended, or that the provider says it has answered."""
    counts = sum((part.counts for part in parts), BulkCounts())
    under_way = sum(min(answered.get(part.batch_id or "", 0), part.counts.open) for part in parts)
    return 1.0 if not counts.total else round((counts.total - counts.open + under_way) / counts.total, 4)


def _budget(runtime: Runtime, bulk: BulkJob, parts: Sequence[BulkPart]) -> dict[str, float | str]:
    """By what a bulk job in real time counts against the budget of the day: what its answers cost since its begin."""
    cost_usd, today = sum(part.cost_usd for part in parts), runtime.today
    before = bulk.budget_before_usd if bulk.budget_day == today else bulk.cost_usd
    return {
        "costUsd": cost_usd,
        "budgetDay": today,
        "budgetUsd": max(0.0, cost_usd - before),
        "budgetBeforeUsd": before,
    }
