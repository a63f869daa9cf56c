"""When a bulk job will be done: by its own parts, and by how long the lane's last batches took.

A quote, the start and each progress come with a range (`eta.py`). The first range that rests on a measure is kept, and
the end shows whether it has come true (`etaHit`). So admins see what the ranges of this deployment are worth. A pause
makes a range worthless: the next one after it is the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from google.cloud.firestore import FieldFilter

from nightshift.batches import documents as batches
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.eta import MAX_HISTORY, Eta, eta_of_pace, eta_of_parts
from nightshift.bulk.part import BulkPart
from nightshift.database.collections import BULK_JOBS
from nightshift.database.commits import READ
from nightshift.instant.realtime import GIVEN_UP_AFTER
from nightshift.providers.registry import TRAITS
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.speed import Speed
from nightshift.values.usage import count_of

# How long an instance goes by what it has read of a lane: at most MAX_HISTORY reads.
_HISTORY_LASTS: Final = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class HitRate:
    """Of how many bulk jobs the end was foretold, and how many ended within their range."""

    foretold: int
    hits: int


@dataclass(frozen=True, kw_only=True)
class LeftToDo:
    """What of a bulk job is not done yet."""

    # How many parts wait; and of those under way, for how many seconds each has been.
    waiting: int
    ages_seconds: Sequence[float] = ()
    # Of the items that were paid, how many are open, and how many have ended.
    open: int
    done: int = 0


def left_of(bulk: BulkJob, parts: Sequence[BulkPart], now: datetime) -> LeftToDo:
    """What these parts of a running bulk job have left to do."""
    left = [part for part in parts if part.status != "closed"]
    ages = [(now - part.started_at).total_seconds() for part in left if part.status == "running" and part.started_at]
    open_items = sum(part.counts.open for part in left)
    done = max(0, count_of((bulk.quote or {}).get("items")) - open_items)
    return LeftToDo(waiting=len(left) - len(ages), ages_seconds=ages, open=open_items, done=done)


async def forecast(runtime: Runtime, bulk: BulkJob, left: LeftToDo, speed: Speed) -> Eta | None:
    """When all that is left is done, if it is answered at this speed; None if nothing is left."""
    parts = left.waiting + len(left.ages_seconds)
    if bulk.lane is None or not parts:
        return None
    now, at_once = runtime.now(), runtime.settings.max_parts_in_flight
    turns = ceil(parts / at_once)
    if speed == "instant":
        latest_at = now + GIVEN_UP_AFTER * turns
        return eta_of_pace(now, bulk.started_at or now, done=left.done, left=left.open, latest_at=latest_at)
    return eta_of_parts(
        now,
        await _durations(runtime, bulk.lane),
        ages_seconds=left.ages_seconds,
        waiting=left.waiting,
        at_once=at_once,
        latest_at=now + TRAITS[bulk.lane.provider].window * runtime.settings.max_attempts * turns,
    )


def told(bulk: BulkJob, eta: Eta | None) -> dict[str, Any]:
    """What the document of a running bulk job says of its end."""
    if eta is None or not eta.is_measured or bulk.first_eta:
        return {"eta": eta.fields() if eta else None}
    return {"eta": eta.fields(), "firstEta": eta.fields()}


async def hit_rate(runtime: Runtime) -> HitRate:
    """What the ranges of this deployment were worth, over all bulk jobs on record. Two reads for each 1,000 of them."""

    async def count(*, is_hit: bool) -> int:
        query = runtime.firestore.collection(BULK_JOBS).where(filter=FieldFilter("etaHit", "==", is_hit))
        return int((await query.count().get(**READ))[0][0].value)

    hits, missed = await count(is_hit=True), await count(is_hit=False)
    return HitRate(foretold=hits + missed, hits=hits)


async def _durations(runtime: Runtime, lane: Lane) -> list[float]:
    """How many seconds the lane's last batches took, the oldest first."""
    kept, now = runtime.instance.lane_durations, runtime.now()
    read_at, durations = kept.get(lane, (None, []))
    if read_at is None or now >= read_at + _HISTORY_LASTS:
        last = await batches.last_durations(runtime, lane, MAX_HISTORY)
        durations = [duration.total_seconds() for duration in reversed(last)]
        kept[lane] = now, durations
    return durations
