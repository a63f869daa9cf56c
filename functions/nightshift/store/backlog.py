"""What waits, and where: the queued jobs of each lane, and when the lane goes on."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from google.cloud.firestore import FieldFilter

from nightshift.model.job import QUEUED
from nightshift.model.lane import Lane
from nightshift.model.lease import Lease
from nightshift.runtime import Runtime
from nightshift.store.commits import READ
from nightshift.store.documents import LANES, jobs_where
from nightshift.store.lanes import with_queued_jobs

_PRIORITIES: Final = range(1, 11)


@dataclass(frozen=True, kw_only=True)
class LaneState:
    """What holds a lane back, if anything does."""

    # The provider's queue was full.
    backs_off_until: datetime | None
    last_submitted_at: datetime | None
    # Somebody is submitting it, or died while doing so.
    held_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class LaneBacklog:
    """The jobs that wait in a lane."""

    lane: Lane
    jobs: int
    # None if they were all taken meanwhile.
    oldest_queued_at: datetime | None
    state: LaneState


async def backlogs(runtime: Runtime) -> list[LaneBacklog]:
    """Each lane in which jobs are queued. Some 13 reads a lane, and one per 1,000 queued jobs."""
    return list(await asyncio.gather(*(_backlog(runtime, lane) for lane in await with_queued_jobs(runtime))))


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
        last_submitted_at=last_submitted_at if isinstance(last_submitted_at, datetime) else None,
        held_until=lease.expires_at if lease and lease.is_live(now) else None,
    )


async def _backlog(runtime: Runtime, lane: Lane) -> LaneBacklog:
    counted, state, *oldest = await asyncio.gather(
        jobs_where(runtime, status=QUEUED, lane=str(lane)).count().get(**READ),
        lane_state(runtime, lane),
        *(_oldest(runtime, lane, priority) for priority in _PRIORITIES),
    )
    return LaneBacklog(
        lane=lane,
        jobs=int(counted[0][0].value),
        oldest_queued_at=min((at for at in oldest if at), default=None),
        state=state,
    )


async def _oldest(runtime: Runtime, lane: Lane, priority: int) -> datetime | None:
    """When the oldest of one priority was queued: by the index in which they are submitted, so none more is kept."""
    of_priority = jobs_where(runtime, status=QUEUED, lane=str(lane)).where(
        filter=FieldFilter("priority", "==", priority)
    )
    found = await of_priority.order_by("queuedAt").limit(1).select(["queuedAt"]).get(**READ)
    queued_at = found[0].get("queuedAt") if found else None
    return queued_at if isinstance(queued_at, datetime) else None
