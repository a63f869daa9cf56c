"""The history: each of its days is added up again, from the documents that its watermarks say are counted.

All is read as of one moment, so no fold in between makes a finding. A day that says less than its documents has missed
one. One that says more has counted one twice, or documents are gone: users were erased, jobs were run again by hand.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import FieldFilter

from cli.audit.finding import Finding
from cli.audit.scope import Scope
from cli.audit.second_look import found_twice
from nightshift.batches import documents as batches
from nightshift.database.collections import BATCHES, BULK_JOBS, JOBS, METRICS_DAYS, PARTS
from nightshift.database.commits import READ
from nightshift.database.pages import PAGE, pages
from nightshift.database.watermark import Watermark
from nightshift.jobs.in_history import is_day_over
from nightshift.reports import ended, history
from nightshift.reports.fold import OF_A_JOB, day_of_batch, day_of_end
from nightshift.runtime import Runtime
from nightshift.values.day_sums import DaySums, EndSums, added_by_day, read_by_day

if TYPE_CHECKING:
    from nightshift.database.pages import Snapshot

# Sums of dollars are added up in another order.
_LEAST_USD: Final = 1e-6
_COUNTED: Final = ("completed", "failed", "cancelled", "retried", "tokens", "input_tokens", "output_tokens")
_USD: Final = ("cost_usd", "realtime_cost_usd")


async def findings(scope: Scope) -> AsyncIterator[Finding]:
    """Days whose documents are not what they say."""
    for finding in await found_twice(scope, _of_days):
        yield finding


async def _of_days(scope: Scope) -> list[Finding]:
    told, recounted = await recount(scope.runtime)
    days = sorted({*told, *recounted})
    scope.looked_at.update(["days"] * len(days))
    first = _first_kept(scope.runtime)
    return [
        Finding(
            check="history",
            subject=f"{METRICS_DAYS}/{day}",
            sentence=sentence,
            undecided="a person decides: its documents may have been deleted or changed by hand",
        )
        for day in days
        if day >= first
        for sentence in differences(told.get(day, DaySums()), recounted.get(day, DaySums()))
    ]


def differences(told: DaySums, recounted: DaySums, *, may_be_gone: bool = True) -> Iterator[str]:
    """What a day says more or less than its documents, a sentence each.

    Args:
        may_be_gone: jobs and bulk jobs may have been deleted, or run again, since they were counted.
    """
    for key in sorted({*told.groups, *recounted.groups}):
        one, other = told.groups.get(key, EndSums()), recounted.groups.get(key, EndSums())
        for name in (*_COUNTED, *_USD):
            more = getattr(one, name) - getattr(other, name)
            is_explained = may_be_gone and more > 0 and (key.mode == "instant" or name in {"cancelled", "failed"})
            if abs(more) > (_LEAST_USD if name in _USD else 0) and not is_explained:
                yield (
                    f"{key.type} of {key.provider}:{key.model}, {key.mode}, has {name.replace('_', ' ')} "
                    f"{getattr(one, name)}, and its documents have {getattr(other, name)}."
                )


async def recount(runtime: Runtime) -> tuple[dict[str, DaySums], dict[str, DaySums]]:
    """What the days say, and what the documents that are counted add up to, as of one moment."""
    snapshot = await history.state_ref(runtime).get(**READ)
    at, fields = snapshot.read_time, snapshot.to_dict() or {}
    told: dict[str, DaySums] = {}
    async for page in pages(runtime.firestore.collection(METRICS_DAYS), at=at):
        told |= {day.id: DaySums.read(day.to_dict()) for day in page}
    recounted: dict[str, DaySums] = {}
    async for found in _ended_until(runtime.firestore.collection(BATCHES), fields.get("batches"), at):
        recounted = added_by_day(recounted, _of_batch(found))
    bulk_jobs = runtime.firestore.collection(BULK_JOBS).select(["type", "lane", "speed", "etaHit", "completedAt"])
    async for found in _ended_until(bulk_jobs, fields.get("bulkJobs"), at):
        bulk = found.to_dict() or {}
        recounted = added_by_day(recounted, {day_of_end(bulk): ended.of_bulk_job(bulk)})
    async for page in pages(runtime.firestore.collection(BULK_JOBS).select(["status"]), at=at):
        for found in page:
            recounted = added_by_day(recounted, await _of_parts(found, at))
    marks = fields.get("jobs") or {}
    for day in sorted({*told, *marks}):
        query = runtime.firestore.collection(JOBS).where(filter=FieldFilter("historyDay", "==", day))
        mark = {"at": at, "id": ""} if is_day_over(marks, day) else marks.get(day)
        async for found in _ended_until(query.select(OF_A_JOB), mark, at):
            recounted = added_by_day(recounted, {day: ended.of_job(found.to_dict() or {})})
    return told, recounted


def _of_batch(found: "Snapshot") -> Mapping[str, DaySums]:
    fields = found.to_dict() or {}
    batch = batches.readable(found.id, fields)
    return {day_of_batch(batch, fields): ended.of_batch(batch, fields)} if batch and not batch.is_open else {}


async def _of_parts(bulk: "Snapshot", at: datetime) -> Mapping[str, DaySums]:
    """What the parts of a bulk job say, of what is counted: what is not counted yet is taken off."""
    whole: dict[str, DaySums] = {}
    fields = ["days", "uncountedDays"]
    async for page in pages(bulk.reference.collection(PARTS).select(fields), at=at):
        for part in page:
            days, uncounted = (read_by_day((part.to_dict() or {}).get(name)) for name in fields)
            whole = added_by_day(whole, {day: sums for day, sums in days.items() if day not in uncounted})
            for day in days.keys() & uncounted.keys():
                whole = added_by_day(whole, {day: days[day] - uncounted[day]})
    return whole


async def _ended_until(query: Any, mark: Any, at: datetime) -> "AsyncIterator[Snapshot]":
    """The documents of a source up to its watermark."""
    until = Watermark.read(mark)
    query = query.where(filter=FieldFilter("completedAt", "<=", until.at))
    query = query.order_by("completedAt").order_by("__name__").limit(PAGE)
    page = await query.get(read_time=at, **READ)
    while page:
        for found in page:
            if not until.name or until.has_passed(found.get("completedAt"), found.id):
                yield found
        if len(page) < PAGE:
            return
        page = await query.start_after(page[-1]).get(read_time=at, **READ)


def _first_kept(runtime: Runtime) -> str:
    """The first day of which no document has expired yet."""
    kept = [days for days in (runtime.settings.keep_jobs_days, runtime.settings.keep_batches_days) if days]
    # A batch may be closed some days after it was created, and expires by its end.
    return f"{date.fromisoformat(runtime.today) - timedelta(days=min(kept) - 1)}" if kept else ""
