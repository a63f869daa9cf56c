"""Reading batches, and the jobs that are in them."""

import asyncio
import string
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from google.cloud.firestore import DocumentSnapshot, FieldFilter, Query

from nightshift.batches.asked import MembersAsked
from nightshift.batches.batch import OPEN, Batch, PartSource, status_of
from nightshift.batches.breakdown import Breakdown
from nightshift.batches.correction import BilledBatch, Correction, learned
from nightshift.batches.correction import read as read_correction
from nightshift.batches.counts import Counts
from nightshift.batches.step_error import StepError
from nightshift.batches.tally import read_spared, read_usages
from nightshift.database.collections import BATCHES, BULK_JOBS
from nightshift.database.commits import READ
from nightshift.database.fields import time_or_none
from nightshift.database.reads import fetch
from nightshift.errors import TryLater
from nightshift.jobs.documents import WITHOUT_INPUT, job_of, jobs_where
from nightshift.jobs.job import Job
from nightshift.jobs.settlement import LaneHealth
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.outcome import STOPS
from nightshift.values.status import CANCELLED, COMPLETED, FAILED, PROCESSING
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage, count_of, usd_of

log = structlog.get_logger()

# A batch id is known for ours on a file's name at the provider.
ID_PREFIX: Final = "ns-"
ID_LETTERS: Final = string.ascii_letters + string.digits
ID_RANDOM_LETTERS: Final = 20
_PAGE: Final = 300
# By how many of a lane its estimates are corrected.
_LAST_BATCHES: Final = 5
# A request that troubles the provider has been in twelve of them before its lane's answers are looked for.
_BATCHES_OF_AN_OUTAGE: Final = 50
# Of how many failed jobs of a batch the codes are read; the others count as `other`.
_MOST_FAILURES: Final = 1_000


def is_batch_id(name: str) -> bool:
    """Whether a name has the form of our batch ids."""
    letters = name.removeprefix(ID_PREFIX)
    return name.startswith(ID_PREFIX) and letters.isalnum() and len(letters) == ID_RANDOM_LETTERS


async def read(runtime: Runtime, batch_id: str) -> Batch | None:
    """The batch, or None if no batch has this id. Raises TryLater for a document that cannot be read."""
    snapshot = await runtime.firestore.collection(BATCHES).document(batch_id).get(**READ)
    return _existing(snapshot) if snapshot.exists else None


async def with_remote_id(runtime: Runtime, remote_id: str) -> Batch | None:
    """The batch that has this id on record as the provider's, or None. Raises what `read` raises."""
    query = runtime.firestore.collection(BATCHES).where(filter=FieldFilter("remoteId", "==", remote_id)).limit(1)
    found = await query.get(**READ)
    return _existing(found[0]) if found else None


@dataclass(frozen=True, kw_only=True)
class Found:
    """A batch, and its document as it was read."""

    batch: Batch
    snapshot: "DocumentSnapshot[Any]"


async def find(runtime: Runtime, batch_id: str) -> Found | None:
    """The batch, or None if it is closed, or none. Raises TryLater for a document that cannot be read."""
    snapshot = await runtime.firestore.collection(BATCHES).document(batch_id).get(**READ)
    batch = _existing(snapshot) if snapshot.exists else None
    return Found(batch=batch, snapshot=snapshot) if batch and batch.is_open else None


async def open_batches(runtime: Runtime) -> list[Found]:
    """Every batch that still has a step before it."""
    return await _found(_open(runtime))


def _open(runtime: Runtime) -> Any:
    return runtime.firestore.collection(BATCHES).where(filter=FieldFilter("status", "in", list(OPEN)))


async def _found(query: Any) -> list[Found]:
    snapshots = await query.get(**READ)
    read = ((snapshot, readable(snapshot.id, snapshot.to_dict() or {})) for snapshot in snapshots)
    return [Found(batch=batch, snapshot=snapshot) for snapshot, batch in read if batch]


async def count_open(runtime: Runtime) -> int:
    """How many batches still have a step before them. BilledBatch as one read per 1,000."""
    return int((await _open(runtime).count().get(**READ))[0][0].value)


async def oldest_open(runtime: Runtime, limit: int) -> list[Found]:
    """Batches that still have a step before them, the oldest first; one that cannot be read is left out."""
    return await _found(_open(runtime).order_by("createdAt").limit(limit))


async def with_errors(runtime: Runtime, limit: int) -> list[Found]:
    """Open batches whose last step failed, those first that have failed the longest. One read each."""
    failing = runtime.firestore.collection(BATCHES).order_by("lastError.since").limit(limit)
    return await _found(failing)


async def newest(runtime: Runtime, limit: int) -> list[Found]:
    """Batches, open and closed, the newest first; one that cannot be read is left out."""
    every = runtime.firestore.collection(BATCHES)
    return await _found(every.order_by("createdAt", direction=Query.DESCENDING).limit(limit))


async def correction(runtime: Runtime, lane: Lane) -> Correction:
    """How far estimates were off in the lane's last batches."""
    of_lane = runtime.firestore.collection(BATCHES).where(filter=FieldFilter("lane", "==", str(lane)))
    of_lane = of_lane.where(filter=FieldFilter("status", "==", "completed"))
    last = await of_lane.order_by("createdAt", direction=Query.DESCENDING).limit(_LAST_BATCHES).get(**READ)
    return learned(billed for snapshot in last if (billed := _billed(snapshot.to_dict() or {})))


async def last_durations(runtime: Runtime, lane: Lane, limit: int) -> list[timedelta]:
    """How long the provider took for the lane's last batches that completed, the newest first."""
    of_lane = runtime.firestore.collection(BATCHES).where(filter=FieldFilter("lane", "==", str(lane)))
    of_lane = of_lane.where(filter=FieldFilter("status", "==", "completed"))
    last = await of_lane.order_by("createdAt", direction=Query.DESCENDING).limit(limit).get(**READ)
    read = (readable(snapshot.id, snapshot.to_dict() or {}) for snapshot in last)
    return [batch.ended_at - batch.sent_at for batch in read if batch and batch.ended_at]


async def health(runtime: Runtime, lane: Lane) -> LaneHealth:
    """When the lane last answered a job, as far as its last batches say. Billed as a read for each, 50 at most."""
    of_lane = runtime.firestore.collection(BATCHES).where(filter=FieldFilter("lane", "==", str(lane)))
    of_lane = of_lane.where(filter=FieldFilter("status", "==", "completed"))
    last = of_lane.order_by("createdAt", direction=Query.DESCENDING).limit(_BATCHES_OF_AN_OUTAGE)
    every = (snapshot.to_dict() or {} for snapshot in await last.select(("counts", "endedAt")).get(**READ))
    answered = (time_or_none(fields.get("endedAt")) for fields in every if Counts.read(fields.get("counts")).completed)
    return LaneHealth(now=runtime.now(), answered_at=max((at for at in answered if at), default=None))


def _billed(fields: Mapping[str, Any]) -> BilledBatch | None:
    requests, counts = count_of(fields.get("jobCount")), Counts.read(fields.get("counts"))
    if not requests or counts.completed != requests:
        return None
    return BilledBatch(
        requests=requests,
        estimated_tokens=count_of(fields.get("estimatedTokens")),
        estimated_usd=usd_of(fields.get("estimatedUsd")),
        correction=read_correction(fields.get("correction")),
        billed_tokens=Usage.read(fields.get("usage")).input_tokens,
        billed_usd=usd_of(fields.get("costUsd")),
    )


async def estimated_tokens_in_flight(runtime: Runtime, lane: Lane) -> int:
    """The estimated input tokens of the lane's open batches."""
    return sum(found.batch.estimated_tokens for found in await open_batches(runtime) if found.batch.lane == lane)


async def has_running_bulk_job(runtime: Runtime, lane: Lane) -> bool:
    """Whether parts may want a place in the lane. One read."""
    running = runtime.firestore.collection(BULK_JOBS).where(filter=FieldFilter("status", "==", "running"))
    query = running.where(filter=FieldFilter("lane", "==", str(lane))).select([]).limit(1)
    return bool(await query.get(**READ))


async def processing_jobs(runtime: Runtime, batch_id: str) -> AsyncIterator[list[Job]]:
    """The batch's jobs that are not dealt with yet, page by page; jobs that a caller settles do not disturb it."""
    last = None
    while True:
        query = jobs_where(runtime, batchId=batch_id, status=PROCESSING)
        query = query.order_by("__name__").limit(_PAGE)
        page = await fetch(runtime, query.start_after(last) if last else query)
        if page:
            yield [job_of(snapshot) for snapshot in page]
        if len(page) < _PAGE:
            return
        last = page[-1]


async def is_any_processing(runtime: Runtime, batch_id: str) -> bool:
    """Whether a job of the batch is not dealt with yet."""
    return bool(await jobs_where(runtime, batchId=batch_id, status=PROCESSING).limit(1).get(**READ))


async def processing_since(runtime: Runtime, latest: datetime) -> list[Job]:
    """Jobs that were submitted before `latest` and are still not dealt with, a page of the oldest."""
    query = jobs_where(runtime, status=PROCESSING).where(filter=FieldFilter("submittedAt", "<", latest))
    query = query.order_by("submittedAt").select(WITHOUT_INPUT).limit(_PAGE)
    return [job_of(snapshot) for snapshot in await fetch(runtime, query)]


async def count_claimed(runtime: Runtime, batch_id: str) -> int:
    """How many jobs are in a batch that was not sent yet, those that have ended included, counted by the database."""
    return int((await jobs_where(runtime, batchId=batch_id).count().get(**READ))[0][0].value)


async def count_jobs(runtime: Runtime, batch: Batch, at: datetime | None = None) -> Counts:
    """The `counts` of a batch whose jobs are all dealt with, counted by the database.

    Args:
        at: count as of this moment of the last hour; None = now.
    """

    async def count(status: str) -> int:
        query = jobs_where(runtime, batchId=batch.batch_id, status=status)
        return int((await query.count().get(read_time=at, **READ))[0][0].value)

    completed, failed, cancelled = await asyncio.gather(count(COMPLETED), count(FAILED), count(CANCELLED))
    retried = max(0, batch.job_count - completed - failed - cancelled)
    return Counts(completed=completed, failed=failed, retried=retried, cancelled=cancelled)


async def break_down(runtime: Runtime, batch: Batch, counts: Counts) -> Breakdown:
    """How the jobs of a batch ended by type, and why they failed, once all are dealt with.

    Jobs of one type cost no read, but for those that failed: these are read, 1,000 at most, since few fail. Of several
    types each is counted by the database.
    """
    errors, of_types, free = await asyncio.gather(
        _error_codes(runtime, batch, counts.failed),
        _count_types(runtime, batch, counts),
        _count_free(runtime, batch),
    )
    return Breakdown(counts=of_types, usage=batch.usage_of_types, errors=errors, free=free)


async def _error_codes(runtime: Runtime, batch: Batch, failed: int) -> Mapping[str, int]:
    if not failed:
        return {}
    query = jobs_where(runtime, batchId=batch.batch_id, status=FAILED).select(["errorCode"]).limit(_MOST_FAILURES)
    codes = Counter(str((snapshot.to_dict() or {}).get("errorCode")) for snapshot in await query.get(**READ))
    if failed > codes.total():
        codes["other"] += failed - codes.total()
    return codes


async def _count_types(runtime: Runtime, batch: Batch, counts: Counts) -> Mapping[str, Counts]:
    names = sorted(batch.asked.types)
    if len(names) < 2:
        return dict.fromkeys(names, counts)

    async def count(name: str, status: str) -> int:
        query = jobs_where(runtime, batchId=batch.batch_id, status=status, type=name)
        return int((await query.count().get(**READ))[0][0].value)

    statuses = (COMPLETED, FAILED, CANCELLED)
    counted = await asyncio.gather(*(count(name, status) for name in names for status in statuses))
    ended = [counted[start : start + len(statuses)] for start in range(0, len(counted), len(statuses))]
    of_types = {
        name: Counts(completed=completed, failed=failed, cancelled=cancelled)
        for name, (completed, failed, cancelled) in zip(names, ended, strict=True)
    }
    # Those that were queued again are elsewhere by now: their type is not asked for.
    of_types[names[0]] += Counts(retried=counts.retried)
    return of_types


async def _count_free(runtime: Runtime, batch: Batch) -> int:
    if not batch.asked.free:
        return 0
    query = jobs_where(runtime, batchId=batch.batch_id, status=COMPLETED)
    return int((await query.where(filter=FieldFilter("isFree", "==", True)).count().get(**READ))[0][0].value)


def batch_from(batch_id: str, fields: Mapping[str, Any]) -> Batch:
    """The batch that a document's fields describe. Raises KeyError, TypeError or ValueError if they describe none."""
    return Batch(
        batch_id=batch_id,
        status=status_of(fields["status"]),
        lane=Lane.parse(fields["lane"]),
        job_count=fields["jobCount"],
        estimated_tokens=fields.get("estimatedTokens", 0),
        budget_usd=fields.get("budgetUsd", 0.0),
        request_count=count_of(fields.get("requestCount")) or fields["jobCount"],
        input_file_id=fields.get("inputFileId"),
        creates=count_of(fields.get("creates")),
        create_sent_at=time_or_none(fields.get("createSentAt")),
        create_lands_by=time_or_none(fields.get("createLandsBy")),
        remote_id=fields.get("remoteId"),
        is_unproven=bool(fields.get("isUnproven")),
        disowned=frozenset(fields.get("disowned", ())),
        outcome=fields.get("outcome"),
        output_file_id=fields.get("outputFileId"),
        error_file_id=fields.get("errorFileId"),
        error_code=fields.get("errorCode"),
        trouble=Trouble.read(fields.get("trouble")),
        spared=read_spared(fields.get("spared")),
        is_cut=bool(fields.get("isCut")),
        counts=Counts.read(fields.get("counts")),
        usage=Usage.read(fields.get("usage")),
        created_at=_instant(fields["createdAt"]),
        addressed_at=time_or_none(fields.get("addressedAt")) or _instant(fields["createdAt"]),
        submitted_at=time_or_none(fields.get("submittedAt")),
        output_missing_since=time_or_none(fields.get("outputMissingSince")),
        ended_at=time_or_none(fields.get("endedAt")),
        stop=next((stop for stop in STOPS if fields.get("stop") == stop), None),
        source=PartSource.read(fields.get("source")),
        asked=MembersAsked.read(fields.get("asked")),
        usage_of_types=read_usages(fields.get("usageOfTypes")),
        last_error=StepError.read(fields.get("lastError")),
    )


def _existing(snapshot: "DocumentSnapshot[Any]") -> Batch:
    batch = readable(snapshot.id, snapshot.to_dict() or {})
    if batch is None:
        raise TryLater(f"the batch {snapshot.id} cannot be read")
    return batch


def readable(batch_id: str, fields: Mapping[str, Any]) -> Batch | None:
    """The batch that a document's fields describe; None, and an event, if they describe none."""
    try:
        return batch_from(batch_id, fields)
    except (KeyError, TypeError, ValueError) as malformed:
        # Nothing of ours writes such a document; it must not stop the others.
        log.error("batch_unreadable", batch_id=batch_id, error=type(malformed).__name__)
        return None


def _instant(moment: Any) -> datetime:
    if not isinstance(moment, datetime):
        raise TypeError("it is no time")
    return moment
