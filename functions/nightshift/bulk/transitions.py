"""The transitions of a bulk job, each by its name: what may be written into `bulk_jobs/{bulkId}`, and when.

    begin_reading → quote → charge → begin_export → end
                            pause ⇄ resume

While a bulk job is checked, read, quoted, charged and exported, its writer has the lease on it. While it runs, no
process has: its parts move by themselves, and a write here rests on the update time at which the bulk job was read.
The app listens to this document. So it is written for each change of the status, and for progress at most every five
seconds.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from nightshift.bulk import documents
from nightshift.bulk.bulk_job import MOST_FIRST_ERRORS, BulkJob, BulkQuote
from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.eta import Eta
from nightshift.bulk.part import BulkPart
from nightshift.database.collections import NOTIFICATIONS
from nightshift.database.commits import Commit, Undecided
from nightshift.database.leases import LeaseHolder, Writes
from nightshift.jobs.ends import Ends
from nightshift.jobs.notification import Kind, notification
from nightshift.jobs.retention import job_expiry, notification_expiry, refused_expiry
from nightshift.jobs.settlement import title_of
from nightshift.notify import preferences
from nightshift.notify.outbox import Outbox
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.speed import Speed
from nightshift.values.texts import Text

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

log = structlog.get_logger()

EndStatus = Literal["completed", "failed", "cancelled"]


async def begin_reading(
    holder: LeaseHolder, lane: Lane, part_items: int, source_generation: int | None, also: Writes
) -> None:
    """created → reading. `also` proves that the user's limit still holds. Raises Undecided if it does not."""
    generation = {} if source_generation is None else {"sourceGeneration": source_generation}
    await holder.write(
        {
            "status": "reading",
            "lane": str(lane),
            "partItems": part_items,
            "charges": 0,
            "counts": BulkCounts().fields(),
            "progress": 0.0,
            "updatedAt": SERVER_TIMESTAMP,
            **generation,
        },
        also,
    )


async def quote(
    holder: LeaseHolder,
    quoted: BulkQuote,
    *,
    speed: Speed,
    parts: int,
    counts: BulkCounts,
    first_errors: Sequence[Mapping[str, Any]],
    eta: Eta | None,
) -> None:
    """reading → quoted. The client's rows are in the parts now, and leave the document to which the app listens."""
    await holder.write(
        {
            "status": "quoted",
            "quote": quoted.fields(),
            "speed": speed,
            "parts": parts,
            "counts": counts.fields(),
            "firstErrors": list(first_errors),
            "eta": eta.fields() if eta else None,
            "items": DELETE_FIELD,
            "quotedAt": SERVER_TIMESTAMP,
            "updatedAt": SERVER_TIMESTAMP,
        }
    )


async def quote_again(holder: LeaseHolder, quoted: BulkQuote, max_tokens: int | None, eta: Eta | None) -> None:
    """An ended bulk job → quoted, for what failed."""
    confirmed: Any = {"action": "confirm", "tokens": max_tokens} if max_tokens is not None else DELETE_FIELD
    await holder.write(
        {
            "status": "quoted",
            "quote": quoted.fields(),
            "wish": confirmed,
            "eta": eta.fields() if eta else None,
            "firstEta": DELETE_FIELD,
            "etaHit": DELETE_FIELD,
            "errorCode": DELETE_FIELD,
            "errorMessage": DELETE_FIELD,
            "completedAt": DELETE_FIELD,
            "expireAt": DELETE_FIELD,
            "quotedAt": SERVER_TIMESTAMP,
            "updatedAt": SERVER_TIMESTAMP,
        }
    )


async def charge(holder: LeaseHolder, bulk: BulkJob, price: int, told: Mapping[str, Any], also: Writes) -> None:
    """quoted → running. Raises Undecided if the wallet, or a part, was changed meanwhile.

    Args:
        told: when it is expected to end.
        also: writes the charge.
    """
    await holder.write(
        {
            "status": "running",
            "price": price,
            "charges": bulk.charges + 1,
            "startedAt": SERVER_TIMESTAMP,
            "endsAs": "completed",
            "wish": DELETE_FIELD,
            "updatedAt": SERVER_TIMESTAMP,
            **told,
        },
        also,
        release=True,
    )


async def decline(holder: LeaseHolder) -> None:
    """A confirmation that does not fit the quote: the bulk job stays quoted."""
    await holder.write({"wish": DELETE_FIELD, "updatedAt": SERVER_TIMESTAMP})


async def pause(runtime: Runtime, bulk: BulkJob) -> bool:
    """running → paused. Returns as `begin_export`."""
    nothing_foretold = {"eta": None, "firstEta": DELETE_FIELD}
    return await _update(runtime, bulk, {"status": "paused", "wish": DELETE_FIELD, **nothing_foretold})


async def resume(runtime: Runtime, bulk: BulkJob) -> bool:
    """paused → running. Returns as `begin_export`."""
    return await _update(runtime, bulk, {"status": "running", "wish": DELETE_FIELD})


async def note_progress(runtime: Runtime, bulk: BulkJob, fields: Mapping[str, Any]) -> bool:
    """Write how far it is. Returns as `begin_export`; where another write came first, the next one tells it."""
    return await _update(runtime, bulk, {**fields, "progressAt": runtime.now()})


async def begin_export(runtime: Runtime, bulk: BulkJob, fields: Mapping[str, Any]) -> bool:
    """running, paused → exporting: every item has ended.

    Returns:
        Whether to look at the bulk job again: it has moved, or another write came first. False if the answer was lost.
    """
    ends_as = "cancelled" if bulk.is_cancelling else "completed"
    return await _update(runtime, bulk, {**fields, "status": "exporting", "endsAs": ends_as, "wish": DELETE_FIELD})


async def end(
    runtime: Runtime,
    holder: LeaseHolder,
    bulk: BulkJob,
    status: EndStatus,
    *,
    message: str,
    fields: Mapping[str, Any],
    parts: Sequence[BulkPart] = (),
) -> None:
    """Any status → an end, with the one notification of it, and the one message. The lease is given up.

    Args:
        message: what its user reads.
        parts: they expire with it.

    Raises:
        Undecided: a part was changed meanwhile.
    """
    title = _TITLES[status].say(title=title_of(bulk.type))
    ends = Ends(runtime)
    place = f"bulk.{bulk.bulk_id}"
    await ends.look([place])
    expiry = job_expiry(runtime) if bulk.charges else refused_expiry(runtime)
    # What was never paid keeps nothing large: also, its end has to find room in the document.
    dropped = ("items",) if bulk.charges else ("items", "template")
    note = notification(user_id=bulk.user_id, job_id=bulk.bulk_id, kind=_KINDS[status], title=title, message=message)
    told = {**note, "createdAt": SERVER_TIMESTAMP, **notification_expiry(runtime)}
    outbox = Outbox(runtime, await preferences.read(runtime, [bulk.user_id]))

    def also(writes: Commit) -> None:
        ends.write(writes, NOTIFICATIONS, place, bulk.user_id, told)
        outbox.write(
            writes,
            user_id=bulk.user_id,
            topic="bulk",
            subject_id=bulk.bulk_id,
            event=_KINDS[status],
            title=note["title"],
            message=note["message"],
        )
        for part in parts:
            if expiry:
                ref = documents.part_ref(runtime, bulk.bulk_id, part.part)
                writes.update(ref, {**expiry, "updatedAt": SERVER_TIMESTAMP}, read_as_of=part.update_time)

    ended = {
        "status": status,
        **dict.fromkeys(dropped, DELETE_FIELD),
        "wish": DELETE_FIELD,
        "eta": None,
        **({"etaHit": bulk.first_eta.is_hit(runtime.now())} if bulk.first_eta and status == "completed" else {}),
        "completedAt": SERVER_TIMESTAMP,
        "updatedAt": SERVER_TIMESTAMP,
        **fields,
        **expiry,
    }
    await holder.write(ended, also, release=True)


def history_counted(commit: Commit, part: "DocumentSnapshot[Any]") -> None:
    """The history has counted all that ended in a part without a batch. The commit fails if the part has changed."""
    counted = {"uncountedDays": DELETE_FIELD, "isUncounted": DELETE_FIELD, "updatedAt": SERVER_TIMESTAMP}
    commit.update(part.reference, counted, read_as_of=part.update_time)


def told(parts: Sequence[BulkPart]) -> dict[str, Any]:
    """What a bulk job's document says of its parts."""
    counts = sum((part.counts for part in parts), BulkCounts())
    errors = sorted((error for part in parts for error in part.first_errors), key=lambda error: error["row"])
    return {
        "counts": counts.fields(),
        "progress": counts.progress,
        "firstErrors": errors[:MOST_FIRST_ERRORS],
        "updatedAt": SERVER_TIMESTAMP,
    }


_KINDS: Final[Mapping[EndStatus, Kind]] = {
    "completed": "bulk_completed",
    "failed": "bulk_failed",
    "cancelled": "bulk_cancelled",
}
_TITLES: Final[Mapping[EndStatus, Text]] = {
    "completed": Text.TITLE_TABLE_READY,
    "failed": Text.TITLE_TABLE_FAILED,
    "cancelled": Text.TITLE_TABLE_CANCELLED,
}


async def _update(runtime: Runtime, bulk: BulkJob, fields: Mapping[str, Any]) -> bool:
    commit = Commit(runtime)
    ref = documents.bulk_ref(runtime, bulk.bulk_id)
    commit.update(ref, {**fields, "updatedAt": SERVER_TIMESTAMP}, read_as_of=bulk.update_time)
    try:
        await commit.send()
    except Undecided as doubt:
        return doubt.is_refusal
    return True
