"""What ended, as the history counts it: the documents of batches, jobs and parts as sums. It knows no database.

All numbers are those of the documents. So a day can be added up again from them at any time; the audit does.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from nightshift import job_types
from nightshift.batches.batch import Batch
from nightshift.batches.breakdown import Breakdown
from nightshift.batches.counts import Counts
from nightshift.database.fields import time_or_none
from nightshift.errors import JobRefused
from nightshift.values.day_sums import DaySums, EndSums, GroupKey
from nightshift.values.lane import Lane
from nightshift.values.status import CANCELLED, COMPLETED, FAILED
from nightshift.values.usage import Usage, count_of, usd_of
from nightshift.values.waits import WaitHistogram

# Of what an older version wrote.
_UNKNOWN: Final = "unknown"


def of_batch(batch: Batch, fields: Mapping[str, Any]) -> DaySums:
    """A closed batch: each type by itself."""
    breakdown = Breakdown.read(fields.get("breakdown"))
    of_types = dict(breakdown.counts) or dict.fromkeys(sorted(batch.asked.types)[:1], batch.counts)
    of_types = of_types or {_UNKNOWN: batch.counts}
    names = sorted(of_types)
    cost_usd, realtime_cost_usd = fields.get("costUsd"), fields.get("realtimeCostUsd")
    weights = _weights([of_types[name] for name in names], [breakdown.usage.get(name, Usage()) for name in names])
    completed_at = time_or_none(fields.get("completedAt"))
    waits = batch.asked.waits(completed_at) if completed_at else []
    groups: dict[GroupKey, EndSums] = {}
    free = breakdown.free
    for number, name in enumerate(names):
        counts, key = of_types[name], _key(name, batch.lane, "batch")
        given = min(free, counts.completed)
        free -= given
        groups[key] = EndSums(
            completed=counts.completed,
            failed=counts.failed,
            cancelled=counts.cancelled,
            retried=counts.retried,
            tokens=(counts.completed - given) * _price(name),
            input_tokens=_whole(batch.usage.input_tokens, weights, number),
            output_tokens=_whole(batch.usage.output_tokens, weights, number),
            cost_usd=_part(usd_of(cost_usd), weights, number),
            realtime_cost_usd=_part(usd_of(realtime_cost_usd), weights, number),
            unpriced=counts.completed if cost_usd is None else 0,
            waits=_scaled(waits, counts.completed),
        )
    return DaySums(
        groups=groups,
        errors=breakdown.errors,
        batches={batch.status: 1},
        moved=int(batch.stop == "move"),
        stopped=int(batch.stop in {"cancel", "retry"}),
    )


def of_job(fields: Mapping[str, Any]) -> DaySums:
    """A job that ended without a batch: in real time, or while it waited."""
    status, lane = fields.get("status"), _lane(fields.get("lane"))
    if lane is None or status not in {COMPLETED, FAILED, CANCELLED}:
        return DaySums()
    cost_usd = fields.get("costUsd", 0.0)
    # What an earlier end has counted is not counted again.
    spent_usd = max(0.0, usd_of(cost_usd) - usd_of(fields.get("formerCostUsd")))
    usage, is_completed = Usage.read(fields.get("usage")), status == COMPLETED
    sums = EndSums(
        completed=int(is_completed),
        failed=int(status == FAILED),
        cancelled=int(status == CANCELLED),
        tokens=count_of(fields.get("tokensSpent")) if is_completed else 0,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=spent_usd,
        realtime_cost_usd=spent_usd,
        unpriced=int(is_completed and cost_usd is None),
        waits=WaitHistogram.of(_waited(fields), int(is_completed)),
    )
    errors = {str(fields.get("errorCode")): 1} if status == FAILED else {}
    return DaySums(groups={_key(str(fields.get("type")), lane, "instant"): sums}, errors=errors)


def of_bulk_job(fields: Mapping[str, Any]) -> DaySums:
    """An ended bulk job: whether it ended when that was foretold. Its items are counted by its batches and parts."""
    lane, is_hit = _lane(fields.get("lane")), fields.get("etaHit")
    if lane is None or not isinstance(is_hit, bool):
        return DaySums()
    mode = "instant" if fields.get("speed") == "instant" else "batch"
    sums = EndSums(eta_hits=int(is_hit), eta_misses=int(not is_hit))
    return DaySums(groups={_key(str(fields.get("type")), lane, mode): sums})


def _key(job_type: str, lane: Lane, mode: Any) -> GroupKey:
    return GroupKey(type=job_type, provider=lane.provider, model=lane.model, mode=mode)


def _lane(name: Any) -> Lane | None:
    try:
        return Lane.parse(name)
    except (ValueError, TypeError, AttributeError):
        return None


def _price(job_type: str) -> int:
    """What a job of the batch lane costs its user, in tokens; 1 for a type that is gone."""
    try:
        return job_types.find(job_type).tokens["batch"]
    except JobRefused:
        return 1


def _waited(fields: Mapping[str, Any]) -> float:
    queued_at, completed_at = fields.get("queuedAt"), fields.get("completedAt")
    if not isinstance(queued_at, datetime) or not isinstance(completed_at, datetime):
        return 0.0
    return max(0.0, (completed_at - queued_at).total_seconds())


def _weights(counts: Sequence[Counts], usage: Sequence[Usage]) -> list[int]:
    """By which the batch's numbers are divided among its types: their tokens; without any, their jobs."""
    tokens = [each.input_tokens + each.output_tokens for each in usage]
    return tokens if any(tokens) else [each.total or 1 for each in counts]


def _whole(number: int, weights: Sequence[int], index: int) -> int:
    """The share of one type; all shares together are the number."""
    total, before = sum(weights), sum(weights[:index])
    return number * (before + weights[index]) // total - number * before // total


def _part(number: float, weights: Sequence[int], index: int) -> float:
    return number * weights[index] / sum(weights)


def _scaled(waits: Sequence[tuple[float, int]], completed: int) -> WaitHistogram:
    """The histogram of as many answers as were completed; which of the members these were is not on record."""
    histogram, asked = WaitHistogram(), [number for _, number in waits]
    for index, (seconds, _) in enumerate(waits):
        histogram += WaitHistogram.of(seconds, _whole(completed, asked, index))
    return histogram
