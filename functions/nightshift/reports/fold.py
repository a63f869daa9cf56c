"""Fold: what has ended since the last time is added to the documents of its days, exactly once.

`metrics/history` says how far each source was counted: batches and bulk jobs by the time of their end and their id,
jobs without a batch by the same within each day. One commit moves such a watermark and changes the days. It rests on
the update time at which the watermark was read, so of two ticks at once one is refused, and reads again.

| the process dies | what is left | what the next tick does |
|---|---|---|
| before the commit | the watermark as it was | reads the same page again |
| after it, or its answer is lost | days and watermark, both moved | goes on behind it |

What ends now may get a time that lies before what was read: the server gives it when it takes the commit. So the last
minutes are left to the next tick. A part of a bulk job has no time of its own: it bears a mark, which the commit takes
away.

The first fold of a database begins with its oldest document.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from google.cloud.firestore import FieldFilter

from nightshift.batches import documents as batches
from nightshift.batches.batch import Batch
from nightshift.bulk.documents import part_of
from nightshift.bulk.transitions import history_counted
from nightshift.database.collections import BATCHES, BULK_JOBS, JOBS, PARTS
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.watermark import Watermark
from nightshift.reports import ended, history
from nightshift.reports.history import MILESTONE_USD, HistoryState
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.day_sums import DaySums, EndSums, added_by_day
from nightshift.values.usage import count_of

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

    Snapshot = DocumentSnapshot[Any]

log = structlog.get_logger()

# So long after it was read a document may still come with an earlier time: a commit lives for a minute at most.
_SETTLES_WITHIN: Final = timedelta(minutes=2)
# A job's day is by the clock of the function that ended it, its end by Firestore's.
_CLOCKS_DIFFER: Final = timedelta(minutes=10)
# A tick that finds nothing new writes nothing.
_NOTED_EVERY: Final = timedelta(hours=1)
# Ends of so many minutes are one entry of what ended lately: many pages do not make the state a large document.
_RECENT_ENTRY: Final = timedelta(minutes=10)
# The documents of one commit.
_PAGE: Final = 300
# What of the ends a rate of failures is computed of.
_RATED: Final = ("completed", "failed")
# What is read of a job.
OF_A_JOB: Final = (
    *("type", "status", "lane", "usage", "costUsd", "formerCostUsd", "tokensSpent", "errorCode"),
    *("queuedAt", "completedAt", "historyDay"),
)


@dataclass(frozen=True, kw_only=True)
class _Page:
    """Some documents of one source that were not counted yet."""

    days: Mapping[str, DaySums]
    # What of the state changes by it.
    moved: Mapping[str, Any]
    # Whether there may be more.
    is_full: bool
    # Parts whose mark goes.
    parts: Sequence["Snapshot"] = ()


async def fold(runtime: Runtime, time_limit: TimeLimit) -> HistoryState:
    """Count what has ended, page by page, as long as the time lasts; returns the state as it is then.

    Costs five reads where nothing has ended, one for each document that has, and a write for each page and its days.
    """
    until = runtime.now() - _SETTLES_WITHIN
    state = await history.read_state(runtime)
    for source in (_batches, _bulk_jobs, _parts):
        state = await _fold_source(runtime, state, source, until, time_limit)
    for day in await _days_of_jobs(runtime, state):
        state = await _fold_source(runtime, state, _jobs_of(day), until, time_limit)
    if time_limit.is_over:
        return state
    return await _note_until(runtime, state, until)


async def _fold_source(
    runtime: Runtime, state: HistoryState, source: "Source", until: datetime, time_limit: TimeLimit
) -> HistoryState:
    tries = attempts()
    while not time_limit.is_over:
        await anext(tries)
        page = await source(runtime, state, until)
        if page is None:
            return state
        try:
            await _commit(runtime, state, page)
        except Undecided:
            # Another tick was faster, or the answer was lost: the watermark tells.
            state = await history.read_state(runtime)
            continue
        state = await history.read_state(runtime)
        if not page.is_full:
            return state
        tries = attempts()
    return state


async def _commit(runtime: Runtime, state: HistoryState, page: _Page) -> None:
    days = await history.read_days(runtime, sorted(page.days))
    commit = Commit(runtime)
    for day, sums in added_by_day(days, page.days).items():
        commit.set(history.day_ref(runtime, day), {"day": day, **sums.fields()})
    for part in page.parts:
        history_counted(commit, part)
    all_time, milestones = _all_time(runtime, state, page.days)
    recent = _recent(runtime, state, page.days)
    counted = {"allTime": all_time.fields(), "milestones": list(milestones), "recent": recent}
    history.write_state(runtime, commit, state, {**page.moved, **counted})
    await commit.send()
    log.info("history_folded", days=len(page.days), **_told(page.days))


def _all_time(runtime: Runtime, state: HistoryState, days: Mapping[str, DaySums]) -> tuple[EndSums, tuple[str, ...]]:
    """What was counted since the beginning, without waits; and the days on which each 1,000 dollars were saved."""
    total = state.all_time
    for sums in days.values():
        total += sums.total.without_waits()
    reached = max(0, int(total.saved_usd // MILESTONE_USD))
    new = max(0, reached - len(state.milestones))
    return total, (*state.milestones, *[runtime.today] * new)


def _recent(runtime: Runtime, state: HistoryState, days: Mapping[str, DaySums]) -> list[Mapping[str, Any]]:
    """What ended in the last hours. What the first fold of a database finds may be old, and is not among it."""
    now, told = runtime.now(), _told(days)
    kept = state.recent_at(now)
    if not state.folded_until or not (told["completed"] or told["failed"]):
        return kept
    last = kept.pop() if kept and now - kept[-1]["at"] < _RECENT_ENTRY else {"at": now}
    return [*kept, {"at": last["at"], **{name: count_of(last.get(name)) + told[name] for name in _RATED}}]


def _told(days: Mapping[str, DaySums]) -> dict[str, int]:
    totals = [sums.total for sums in days.values()]
    return {name: sum(getattr(total, name) for total in totals) for name in ("completed", "failed", "cancelled")}


async def _note_until(runtime: Runtime, state: HistoryState, until: datetime) -> HistoryState:
    """Put on record until when all is counted: each hour, and once a day is over. Another tick may do it instead."""
    noted = state.folded_until
    if noted and noted >= until:
        return state
    if noted and until - noted < _NOTED_EVERY and noted.astimezone(UTC).date() == until.astimezone(UTC).date():
        return replace(state, folded_until=until)
    commit = Commit(runtime)
    history.write_state(runtime, commit, state, {"foldedUntil": until})
    with suppress(Undecided):
        await commit.send()
    return replace(state, folded_until=until)


# The sources, each a function that gives its next page, or None where all is counted.

Source = Callable[[Runtime, HistoryState, datetime], Any]


async def _batches(runtime: Runtime, state: HistoryState, until: datetime) -> _Page | None:
    """Closed batches. Each counts on the day on which it was created, whose budget it took."""
    found = await _behind(runtime.firestore.collection(BATCHES), Watermark.read(state.fields.get("batches")), until)
    days: dict[str, DaySums] = {}
    for snapshot in found:
        fields = snapshot.to_dict() or {}
        batch = batches.readable(snapshot.id, fields)
        if batch and not batch.is_open:
            days = added_by_day(days, {day_of_batch(batch, fields): ended.of_batch(batch, fields)})
    return _page("batches", found, days)


async def _bulk_jobs(runtime: Runtime, state: HistoryState, until: datetime) -> _Page | None:
    """Ended bulk jobs, each on the day of its end."""
    query = runtime.firestore.collection(BULK_JOBS).select(["type", "lane", "speed", "etaHit", "completedAt"])
    found = await _behind(query, Watermark.read(state.fields.get("bulkJobs")), until)
    days: dict[str, DaySums] = {}
    for snapshot in found:
        fields = snapshot.to_dict() or {}
        days = added_by_day(days, {day_of_end(fields): sums} if (sums := ended.of_bulk_job(fields)).groups else {})
    return _page("bulkJobs", found, days)


def day_of_batch(batch: Batch, fields: Mapping[str, Any]) -> str:
    """The day on which a batch counts: that of its creation, whose budget it took."""
    return str(fields.get("budgetDay") or f"{batch.created_at.astimezone(UTC).date()}")


def day_of_end(fields: Mapping[str, Any]) -> str:
    """The day of a document's end."""
    at: datetime = fields["completedAt"]
    return f"{at.astimezone(UTC).date()}"


def _jobs_of(day: str) -> Source:
    """Jobs that ended on a day without a batch."""

    async def jobs(runtime: Runtime, state: HistoryState, until: datetime) -> _Page | None:
        query = runtime.firestore.collection(JOBS).where(filter=FieldFilter("historyDay", "==", day))
        marks = state.fields.get("jobs") or {}
        found = await _behind(query.select(OF_A_JOB), Watermark.read(marks.get(day)), until)
        sums = DaySums()
        for snapshot in found:
            sums += ended.of_job(snapshot.to_dict() or {})
        page = _page("jobs", found, {day: sums})
        if page is None:
            return None
        # Of the days before, all is counted.
        kept = {other: mark for other, mark in marks.items() if other >= _day_before(day)}
        moved = {"jobs": {**kept, day: page.moved["jobs"]}}
        return _Page(days=page.days, moved=moved, is_full=page.is_full)

    return jobs


async def _days_of_jobs(runtime: Runtime, state: HistoryState) -> list[str]:
    """The days whose jobs may not all be counted: from the one until which all is."""
    today = date.fromisoformat(runtime.today)
    if state.folded_until:
        begin = (state.folded_until - _CLOCKS_DIFFER).astimezone(UTC).date()
    else:
        begin = date.fromisoformat(await _first_day(runtime) or runtime.today)
    return [f"{begin + timedelta(days=number)}" for number in range((today - begin).days + 1)]


async def _first_day(runtime: Runtime) -> str | None:
    query = runtime.firestore.collection(JOBS).order_by("historyDay").order_by("completedAt").limit(1)
    found = await query.select(["historyDay"]).get(**READ)
    day = found[0].get("historyDay") if found else None
    return day if isinstance(day, str) else None


async def _parts(runtime: Runtime, _: HistoryState, __: datetime) -> _Page | None:
    """Closed parts of bulk jobs with items that ended without a batch."""
    query = runtime.firestore.collection_group(PARTS).where(filter=FieldFilter("isUncounted", "==", True)).limit(_PAGE)
    found = [snapshot for snapshot in await query.get(**READ) if snapshot.get("status") == "closed"]
    days: dict[str, DaySums] = {}
    for snapshot in found:
        days = added_by_day(days, part_of(snapshot).uncounted_days)
    return _Page(days=days, moved={}, is_full=len(found) == _PAGE, parts=found) if found else None


async def _behind(query: Any, mark: Watermark, until: datetime) -> list["Snapshot"]:
    """The next documents of a query behind a watermark, by their end."""
    query = query.where(filter=FieldFilter("completedAt", "<=", until))
    query = query.order_by("completedAt").order_by("__name__").limit(_PAGE)
    if mark.name:
        query = query.start_after({"completedAt": mark.at, "__name__": mark.name})
    return list(await query.get(**READ))


def _page(name: str, found: Sequence["Snapshot"], days: Mapping[str, DaySums]) -> _Page | None:
    if not found:
        return None
    last = found[-1]
    moved = {name: Watermark(at=last.get("completedAt"), name=last.id).fields()}
    return _Page(days=days, moved=moved, is_full=len(found) == _PAGE)


def _day_before(day: str) -> str:
    return f"{date.fromisoformat(day) - timedelta(days=1)}"
