"""Who may submit a lane now. `lanes/{lane}` holds the lease, and what makes a burst become a handful of batches."""

from datetime import datetime, timedelta

from google.cloud.firestore import SERVER_TIMESTAMP, FieldFilter

from nightshift.model.job import QUEUED
from nightshift.model.lane import Lane
from nightshift.runtime import Runtime
from nightshift.store import leases
from nightshift.store.commits import READ
from nightshift.store.documents import LANES, jobs_where
from nightshift.store.leases import Hold


async def take(runtime: Runtime, lane: Lane, *, coalesce: bool) -> Hold | None:
    """Take the lane's lease, or None: it is held, it backs off, or (with `coalesce`) it was submitted a moment ago."""
    snapshot = await runtime.firestore.collection(LANES).document(lane.document_id).get(**READ)
    fields = snapshot.to_dict() or {}
    now = runtime.now()
    backs_off_until: datetime | None = fields.get("backsOffUntil")
    if backs_off_until and now < backs_off_until:
        return None
    submitted_at: datetime | None = fields.get("lastSubmittedAt")
    quiet_after = timedelta(seconds=runtime.settings.coalesce_seconds)
    if coalesce and submitted_at and now < submitted_at + quiet_after:
        return None
    return await leases.take(runtime, snapshot, create={"lane": str(lane)})


async def release(hold: Hold, *, submitted: bool) -> None:
    """Give the lane free; after a submission, the coalescing window begins."""
    await hold.write({"lastSubmittedAt": SERVER_TIMESTAMP} if submitted else {}, release=True)


async def back_off(runtime: Runtime, lane: Lane, until: datetime) -> None:
    """Let nobody submit this lane until then: the provider's queue is full."""
    ref = runtime.firestore.collection(LANES).document(lane.document_id)
    # The whole document is replaced, its lease too: whoever is submitting this lane stops at its next write.
    await ref.set({"lane": str(lane), "backsOffUntil": until}, **READ)


async def with_queued_jobs(runtime: Runtime) -> list[Lane]:
    """The lanes in which a job is queued, found by skipping from each lane to the next: one read per lane."""
    lanes: list[Lane] = []
    query = jobs_where(runtime, status=QUEUED)
    while True:
        later = query.where(filter=FieldFilter("lane", ">", str(lanes[-1]))) if lanes else query
        page = await later.order_by("lane").limit(1).get(**READ)
        if not page:
            return lanes
        lanes.append(Lane.parse(page[0].get("lane")))
