"""Reading bulk jobs and their parts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import FieldFilter, Query

from nightshift.bulk.bulk_job import ADMITTED, OPEN, STATUSES, WISHES, BulkJob, BulkStatus
from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.eta import Eta
from nightshift.bulk.part import PART_STATUSES, BulkPart, Tries
from nightshift.bulk.states import States
from nightshift.database import reads
from nightshift.database.collections import BULK_JOBS, PARTS
from nightshift.database.commits import READ
from nightshift.database.fields import time_or_none
from nightshift.database.lease import Lease
from nightshift.runtime import Runtime
from nightshift.values.day_sums import read_by_day
from nightshift.values.lane import Lane
from nightshift.values.usage import count_of, usd_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

# What a client may write and the rules bound.
_BOUNDED: Final = ("userId", "type", "mode", "source", "keyColumn", "dedupe", "skip", "maxTokens", "createdAt")
# What may be a megabyte. It is read only where it is needed, and only if it has no more values than rows can have.
_UNBOUNDED: Final = ("template", "items")
_MOST_VALUES: Final = 60_000
_OWN: Final = (
    *("status", "lane", "speed", "price", "partItems", "parts", "sourceGeneration", "quote", "counts", "progress"),
    *("charges", "wish", "endsAs", "errorCode", "errorMessage", "firstErrors", "files", "lease"),
    *("eta", "firstEta", "etaHit"),
    *("costUsd", "budgetDay", "budgetUsd", "budgetBeforeUsd"),
    *("startedAt", "progressAt", "quotedAt", "completedAt", "updatedAt", "expireAt"),
)
WITHOUT_ITEMS: Final = (*_BOUNDED, *_OWN)
_PAGE: Final = 200
# What moving the parts on needs to know of each.
_OVERVIEW: Final = (
    "userId",
    "part",
    "status",
    "counts",
    "round",
    "batchId",
    "lane",
    "costUsd",
    "startedAt",
    "nextAttemptAt",
    "lease",
    "firstErrors",
    "rows",
    "updatedAt",
)


def bulk_ref(runtime: Runtime, bulk_id: str) -> "AsyncDocumentReference":
    """Where a bulk job lies."""
    ref: AsyncDocumentReference = runtime.firestore.collection(BULK_JOBS).document(bulk_id)
    return ref


def part_ref(runtime: Runtime, bulk_id: str, part: int) -> "AsyncDocumentReference":
    """Where a part of a bulk job lies."""
    ref: AsyncDocumentReference = bulk_ref(runtime, bulk_id).collection(PARTS).document(str(part))
    return ref


async def snapshot_of(runtime: Runtime, bulk_id: str) -> "DocumentSnapshot[Any] | None":
    """A bulk job's document without its rows and its template, or None if it does not exist."""
    snapshot = await bulk_ref(runtime, bulk_id).get(WITHOUT_ITEMS, **READ)
    return snapshot if snapshot.exists else None


async def read(runtime: Runtime, bulk_id: str) -> BulkJob | None:
    """A bulk job, or None if it does not exist."""
    snapshot = await snapshot_of(runtime, bulk_id)
    return bulk_job_of(snapshot) if snapshot else None


async def read_request(runtime: Runtime, bulk_id: str) -> "DocumentSnapshot[Any]":
    """What the client wrote, its rows included. What has too many values is `UNREAD` (oversized.py)."""
    return await reads.read_fields(runtime, bulk_ref(runtime, bulk_id), (*_BOUNDED, *_UNBOUNDED), _MOST_VALUES)


async def part_refs(runtime: Runtime, bulk_id: str) -> "list[AsyncDocumentReference]":
    """Where some parts of a bulk job lie, a page of them."""
    query = bulk_ref(runtime, bulk_id).collection(PARTS).select([]).limit(_PAGE)
    return [snapshot.reference for snapshot in await query.get(**READ)]


def _where(runtime: Runtime, statuses: Sequence[BulkStatus]) -> Any:
    return runtime.firestore.collection(BULK_JOBS).where(filter=FieldFilter("status", "in", list(statuses)))


async def open_bulk_jobs(runtime: Runtime) -> list[BulkJob]:
    """Every bulk job that still has a step before it, the oldest first."""
    found = await _where(runtime, OPEN).select(WITHOUT_ITEMS).get(**READ)
    return sorted(map(bulk_job_of, found), key=lambda bulk: bulk.created_at)


async def running_in_real_time(runtime: Runtime) -> list[BulkJob]:
    """Bulk jobs whose parts workers are answering, a page of them."""
    query = _where(runtime, ("running",)).where(filter=FieldFilter("speed", "==", "instant")).limit(_PAGE)
    return [bulk_job_of(snapshot) for snapshot in await query.select(WITHOUT_ITEMS).get(**READ)]


async def to_advance(runtime: Runtime) -> list[BulkJob]:
    """The open bulk jobs, and those for which a retry is wished; the oldest first."""
    wished = runtime.firestore.collection(BULK_JOBS).where(filter=FieldFilter("wish.action", "==", "retry"))
    found = {bulk.bulk_id: bulk for bulk in await open_bulk_jobs(runtime)}
    found |= {snapshot.id: bulk_job_of(snapshot) for snapshot in await wished.select(WITHOUT_ITEMS).get(**READ)}
    return sorted(found.values(), key=lambda bulk: bulk.created_at)


async def count_open(runtime: Runtime) -> int:
    """How many bulk jobs still have a step before them. Billed as one read per 1,000."""
    return int((await _where(runtime, OPEN).count().get(**READ))[0][0].value)


async def count_admitted(runtime: Runtime, user_id: str) -> int:
    """How many bulk jobs of a user were checked, and have not ended."""
    query = _where(runtime, ADMITTED).where(filter=FieldFilter("userId", "==", user_id))
    return int((await query.count().get(**READ))[0][0].value)


async def read_part(runtime: Runtime, bulk_id: str, part: int) -> BulkPart | None:
    """A part, or None if it does not exist."""
    snapshot = await part_ref(runtime, bulk_id, part).get(**READ)
    return part_of(snapshot) if snapshot.exists else None


async def part_snapshot(runtime: Runtime, bulk_id: str, part: int) -> "DocumentSnapshot[Any] | None":
    """A part's document, or None if it does not exist."""
    snapshot = await part_ref(runtime, bulk_id, part).get(**READ)
    return snapshot if snapshot.exists else None


async def last_part(runtime: Runtime, bulk_id: str) -> BulkPart | None:
    """The part that was read last, or None before the first."""
    query = bulk_ref(runtime, bulk_id).collection(PARTS).order_by("part", direction=Query.DESCENDING).limit(1)
    found = await query.get(**READ)
    return part_of(found[0]) if found else None


async def count_parts(runtime: Runtime, bulk: BulkJob) -> int:
    """How many parts were read so far."""
    last = await last_part(runtime, bulk.bulk_id) if bulk.status != "created" else None
    return last.part if last else 0


async def parts_of(runtime: Runtime, bulk_id: str, number: int) -> list[BulkPart]:
    """The first `number` parts in their order, without what their items are."""
    query = bulk_ref(runtime, bulk_id).collection(PARTS).order_by("part").limit(max(1, number)).select(_OVERVIEW)
    return [part_of(snapshot) for snapshot in await query.get(**READ)]


async def parts_changed_since(runtime: Runtime, bulk_id: str, moment: datetime) -> list[BulkPart]:
    """The parts that were written then or later, without what their items are."""
    query = bulk_ref(runtime, bulk_id).collection(PARTS).where(filter=FieldFilter("updatedAt", ">=", moment))
    return [part_of(snapshot) for snapshot in await query.select(_OVERVIEW).get(**READ)]


async def whole_parts(runtime: Runtime, bulk_id: str, number: int | None = None) -> list[BulkPart]:
    """The first `number` parts in their order, or all, with the states of their items."""
    query = bulk_ref(runtime, bulk_id).collection(PARTS).order_by("part")
    if number is not None:
        query = query.limit(max(1, number))
    return [part_of(snapshot) for snapshot in await query.get(**READ)]


def bulk_job_of(snapshot: "DocumentSnapshot[Any]") -> BulkJob:
    """The bulk job of a document."""
    fields = snapshot.to_dict() or {}
    wish = fields.get("wish")
    wish = wish if isinstance(wish, Mapping) else {}
    quote, speed, generation = fields.get("quote"), fields.get("speed"), fields.get("sourceGeneration")
    tokens, max_tokens, error_code = wish.get("tokens"), fields.get("maxTokens"), fields.get("errorCode")
    status: Any = fields.get("status")
    return BulkJob(
        bulk_id=snapshot.id,
        user_id=str(fields.get("userId", "")),
        type=str(fields.get("type", "")),
        status=next((each for each in STATUSES if each == status), "failed"),
        created_at=_instant(snapshot.create_time),
        update_time=_instant(snapshot.update_time),
        max_tokens=max_tokens if isinstance(max_tokens, int | float) and not isinstance(max_tokens, bool) else None,
        lane=_lane(fields.get("lane")),
        speed=speed if speed in {"batch", "instant"} else None,
        price=count_of(fields.get("price")),
        part_items=count_of(fields.get("partItems")),
        parts=count_of(fields.get("parts")),
        source_generation=generation if isinstance(generation, int) else None,
        quote=quote if isinstance(quote, Mapping) else None,
        counts=BulkCounts.read(fields.get("counts")),
        progress=usd_of(fields.get("progress")),
        charges=count_of(fields.get("charges")),
        wish=next((each for each in WISHES if wish.get("action") == each), None),
        wish_tokens=tokens if isinstance(tokens, int) else None,
        ends_as="cancelled" if fields.get("endsAs") == "cancelled" else "completed",
        cost_usd=usd_of(fields.get("costUsd")),
        budget_day=str(fields.get("budgetDay", "")),
        budget_before_usd=usd_of(fields.get("budgetBeforeUsd")),
        error_code=error_code if isinstance(error_code, str) else None,
        started_at=time_or_none(fields.get("startedAt")),
        progress_at=time_or_none(fields.get("progressAt")),
        first_eta=Eta.read(fields.get("firstEta")),
        quoted_at=time_or_none(fields.get("quotedAt")),
    )


def part_of(snapshot: "DocumentSnapshot[Any]") -> BulkPart:
    """The part of a document; what was not read of it is empty."""
    fields = snapshot.to_dict() or {}
    rows, number = count_of(fields.get("rows")), count_of(fields.get("part"))
    status: Any = fields.get("status")
    batch_id, through = fields.get("batchId"), fields.get("through")
    return BulkPart(
        bulk_id=snapshot.reference.parent.parent.id,
        user_id=str(fields.get("userId", "")),
        part=number,
        status=next((each for each in PART_STATUSES if each == status), "waiting"),
        first_row=count_of(fields.get("firstRow")),
        last_row=count_of(fields.get("lastRow")),
        rows=rows,
        counts=BulkCounts.read(fields.get("counts")),
        states=States(rows, _bytes(fields.get("states"))),
        tries=Tries(rows, _bytes(fields.get("tries"))),
        round=count_of(fields.get("round")),
        rounds=tuple(map(str, fields.get("rounds") or ())),
        rows_name=str(fields.get("rowsName", "")),
        batch_id=batch_id if isinstance(batch_id, str) else None,
        through=through if isinstance(through, int) else None,
        lane=_lane(fields.get("lane")),
        spared_since=time_or_none(fields.get("sparedSince")),
        started_at=time_or_none(fields.get("startedAt")),
        next_attempt_at=time_or_none(fields.get("nextAttemptAt")),
        uncounted_usd=usd_of(fields.get("uncountedUsd")),
        cost_usd=usd_of(fields.get("costUsd")),
        days=read_by_day(fields.get("days")),
        uncounted_days=read_by_day(fields.get("uncountedDays")),
        first_errors=tuple(fields.get("firstErrors") or ()),
        ends_at=fields.get("endsAt"),
        held_until=lease.expires_at if (lease := Lease.read(fields.get("lease"))) else None,
        updated_at=time_or_none(fields.get("updatedAt")),
        update_time=_instant(snapshot.update_time),
    )


def _lane(name: Any) -> Lane | None:
    try:
        return Lane.parse(name)
    except ValueError:
        return None


def _bytes(packed: Any) -> bytes:
    return packed if isinstance(packed, bytes) else b""


def _instant(moment: datetime | None) -> datetime:
    if moment is None:
        raise TypeError("a document that exists has its times")
    return moment
