"""Who may submit a lane now. `lanes/{lane}` holds the lease, and what makes a burst become a handful of batches."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from nightshift.model.batch import count_of
from nightshift.model.job import QUEUED
from nightshift.model.lane import Lane
from nightshift.runtime import Runtime
from nightshift.store import leases
from nightshift.store.commits import READ
from nightshift.store.documents import LANES, jobs_where
from nightshift.store.leases import Hold

log = structlog.get_logger()


async def take(runtime: Runtime, lane: Lane, *, coalesce: bool) -> Hold | None:
    """Begin a hold on the lane, or None: it is held, it backs off, or (with `coalesce`) was submitted a moment ago.

    Nothing is on record before a batch is created (`submission`): a lane without jobs costs no write.
    """
    snapshot = await runtime.firestore.collection(LANES).document(lane.document_id).get(**READ)
    fields = snapshot.to_dict() or {}
    now = runtime.now()
    if _is_later(fields.get("backsOffUntil"), now):
        return None
    quiet_for = timedelta(seconds=runtime.settings.coalesce_seconds)
    if coalesce and _is_later(fields.get("lastSubmittedAt"), now - quiet_for):
        return None
    hold = leases.begin(runtime, snapshot)
    if hold:
        hold.fields["lane"] = str(lane)
    return hold


def most_requests(hold: Hold) -> int | None:
    """How many requests a batch may hold since the provider's queue was last full; None = no limit is known."""
    return count_of(hold.fields.get("mostRequests")) or None


def submission(runtime: Runtime, hold: Hold) -> dict[str, Any]:
    """What a new batch changes in its lane's document, in the commit that creates it.

    The coalescing window begins, and a learned limit is doubled, until it limits nothing any more.
    """
    changes: dict[str, Any] = {"lastSubmittedAt": SERVER_TIMESTAMP}
    if learned := most_requests(hold):
        is_needed = 2 * learned < runtime.settings.max_batch_requests
        changes["mostRequests"] = 2 * learned if is_needed else DELETE_FIELD
    return changes


async def back_off(runtime: Runtime, batch_hold: Hold, lane: Lane, until: datetime, most_requests: int) -> None:
    """Let nobody submit this lane until then, and then smaller batches: the provider's queue is full.

    Args:
        batch_hold: the lease on the batch that was refused; who slept past it backs nothing off. Raises as its `write`.
    """
    ref = runtime.firestore.collection(LANES).document(lane.document_id)
    # The whole document is replaced, its lease too: whoever is submitting this lane stops at its next write.
    learned = {"lane": str(lane), "backsOffUntil": until, "mostRequests": most_requests}
    await batch_hold.write({}, also=lambda writes: writes.set(ref, learned))


async def with_queued_jobs(runtime: Runtime) -> list[Lane]:
    """The lanes in which a job is queued, found by skipping from each lane to the next: one read per lane."""
    lanes: list[Lane] = []
    query = jobs_where(runtime, status=QUEUED).order_by("lane").limit(1)
    page = await query.get(**READ)
    while page:
        name = page[0].get("lane")
        try:
            lanes.append(Lane.parse(name))
        except ValueError:
            # Nothing of ours queues such a job; it must not keep the lanes behind it waiting.
            log.error("lane_unreadable", job_id=page[0].id)
        page = await query.start_after({"lane": name}).get(**READ)
    return lanes


def _is_later(moment: Any, than: datetime) -> bool:
    return isinstance(moment, datetime) and moment > than
