"""What waits, and where: the queued jobs, those of each lane, since when, and when the lane goes on."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from google.cloud.firestore import Query

from nightshift.batches.lanes import users_backing_off, with_queued_jobs
from nightshift.database.collections import LANES
from nightshift.database.commits import READ
from nightshift.database.lease import Lease
from nightshift.jobs.documents import jobs_where
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.status import QUEUED


@dataclass(frozen=True, kw_only=True)
class LaneState:
    """What holds a lane back, if anything does."""

    # The provider's queue was full, or the provider is in trouble.
    backs_off_until: datetime | None
    # User → until when the user's jobs wait: requests of that user troubled the provider again and again.
    users_back_off: Mapping[str, datetime]
    last_submitted_at: datetime | None
    # Until when a lease on it lasts: its holder is submitting it, or died while doing so.
    held_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class LaneBacklog:
    """The jobs that wait in a lane."""

    lane: Lane
    jobs: int
    # Whether there are more: no more were counted.
    is_cut: bool
    # None if they were all taken meanwhile.
    oldest_queued_at: datetime | None
    state: LaneState


async def count(runtime: Runtime) -> int:
    """The number of queued jobs, counted by the database. Billed as one read per 1,000 of them, and at least one."""
    return int((await jobs_where(runtime, status=QUEUED).count().get(**READ))[0][0].value)


async def oldest_queued_at(runtime: Runtime, lanes: Sequence[Lane]) -> datetime | None:
    """When the oldest queued job of these lanes was first queued; None if none of them waits.

    The index in which a lane is submitted has the oldest first within each priority: it is found by skipping from each
    priority to the next, one read each. An index in the order of time would bound the writes of all lanes together.
    """
    oldest: list[datetime] = []
    for lane in lanes:
        query = jobs_where(runtime, status=QUEUED, lane=str(lane))
        query = query.order_by("priority", direction=Query.DESCENDING).order_by("queuedAt").limit(1)
        page = await query.get(**READ)
        while page:
            priority, queued_at = page[0].get("priority"), page[0].get("queuedAt")
            if isinstance(queued_at, datetime):
                oldest.append(queued_at)
            page = await query.start_after({"priority": priority}).get(**READ)
    return min(oldest, default=None)


async def backlogs(runtime: Runtime, most: int | None = None) -> list[LaneBacklog]:
    """Each lane in which jobs are queued. Some four reads a lane, one per 1,000 jobs that are counted, one a priority.

    Args:
        most: how many jobs of a lane are counted; None = all.
    """
    return list(await asyncio.gather(*(_backlog(runtime, lane, most) for lane in await with_queued_jobs(runtime))))


async def lane_state(runtime: Runtime, lane: Lane) -> LaneState:
    """What a lane's document says now. One read."""
    snapshot = await runtime.firestore.collection(LANES).document(lane.document_id).get(**READ)
    fields = snapshot.to_dict() or {}
    now = runtime.now()
    lease = Lease.read(fields.get("lease"))
    backs_off_until, last_submitted_at = fields.get("backsOffUntil"), fields.get("lastSubmittedAt")
    backs_off = isinstance(backs_off_until, datetime) and now < backs_off_until
    return LaneState(
        backs_off_until=backs_off_until if backs_off else None,
        users_back_off=users_backing_off(fields, now),
        last_submitted_at=last_submitted_at if isinstance(last_submitted_at, datetime) else None,
        held_until=lease.expires_at if lease and lease.is_live(now) else None,
    )


async def _backlog(runtime: Runtime, lane: Lane, most: int | None) -> LaneBacklog:
    waiting = jobs_where(runtime, status=QUEUED, lane=str(lane))
    counted, state, oldest = await asyncio.gather(
        (waiting if most is None else waiting.limit(most + 1)).count().get(**READ),
        lane_state(runtime, lane),
        oldest_queued_at(runtime, [lane]),
    )
    jobs = int(counted[0][0].value)
    return LaneBacklog(
        lane=lane,
        jobs=jobs if most is None else min(jobs, most),
        is_cut=most is not None and jobs > most,
        oldest_queued_at=oldest,
        state=state,
    )
