"""Run: parts are started while there is room, and stopped where that is wished; then the bulk job goes to its export.

A bulk job has a bounded number of parts in flight, so it leaves room for others. No process holds its lease here: two
processes that start the same part meet at the part's own document.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from nightshift.batches import documents as batches
from nightshift.batches import submission
from nightshift.batches.advance import stop, submit_lane
from nightshift.bulk import documents, ending, forecast, instant, transitions
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.part import BulkPart
from nightshift.bulk.start import start_part
from nightshift.database.commits import Commit, Undecided
from nightshift.errors import BudgetSpent, LeaseHeld, ShareSpent, TryLater
from nightshift.log import left_to_the_next_tick
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.lane import Lane

log = structlog.get_logger()

# A range is foretold anew after this, also where nothing has ended meanwhile.
_ETA_LASTS: Final = timedelta(minutes=9)

# How many answers the provider counts in each batch that is under way.
Answered = Mapping[str, int]


async def run(runtime: Runtime, bulk: BulkJob, answered: Answered, time_limit: TimeLimit) -> bool:
    """Move a running or paused bulk job on. Returns whether it has reached its export, or its status changed."""
    parts = await documents.parts_of(runtime, bulk.bulk_id, bulk.parts)
    if bulk.is_cancelling:
        await _cancel(runtime, bulk, parts)
        parts = await documents.parts_of(runtime, bulk.bulk_id, bulk.parts)
    elif bulk.wish == "pause" and bulk.status == "running":
        return await transitions.pause(runtime, bulk)
    elif bulk.wish == "resume" and bulk.status == "paused":
        return await transitions.resume(runtime, bulk)
    elif bulk.status == "running":
        await _start(runtime, bulk, parts, time_limit)
        parts = await documents.parts_of(runtime, bulk.bulk_id, bulk.parts)
    told = transitions.told(parts)
    if bulk.speed == "instant":
        told |= _budget(runtime, bulk, parts)
    if all(part.status == "closed" for part in parts):
        return await transitions.begin_export(runtime, bulk, told)
    told["progress"] = _progress(parts, answered)
    await _note(runtime, bulk, parts, told)
    return False


async def _note(runtime: Runtime, bulk: BulkJob, parts: list[BulkPart], told: dict[str, Any]) -> None:
    """Write how far it is, and when it will end: at most every five seconds, and at least now and then."""
    now = runtime.now()
    since = now - (bulk.progress_at or bulk.started_at or now)
    is_news = (told["counts"], told["progress"]) != (bulk.counts.fields(), bulk.progress)
    is_due = bulk.progress_at is None or since >= transitions.PROGRESS_EVERY
    if bulk.status == "running" and ((is_due and is_news) or since >= _ETA_LASTS):
        left = forecast.left_of(bulk, parts, now)
        told |= forecast.told(bulk, await forecast.forecast(runtime, bulk, left, bulk.speed or "batch"))
    elif not (is_due and is_news):
        return
    await transitions.note_progress(runtime, bulk, told)


async def start_ordered(runtime: Runtime, lane: str | None, time_limit: TimeLimit) -> None:
    """Start parts of all running bulk jobs of a lane, or of all lanes, whatever holds submission or the lane back."""
    for bulk in await documents.open_bulk_jobs(runtime):
        is_meant = bulk.lane is not None and lane in {None, str(bulk.lane)}
        if is_meant and bulk.status == "running" and bulk.speed != "instant" and not time_limit.is_over:
            parts = await documents.parts_of(runtime, bulk.bulk_id, bulk.parts)
            await _start(runtime, bulk, parts, time_limit, is_ordered=True)


async def _start(
    runtime: Runtime, bulk: BulkJob, parts: list[BulkPart], time_limit: TimeLimit, *, is_ordered: bool = False
) -> None:
    lane = bulk.lane
    assert lane, "a running bulk job has its lane on record"  # noqa: S101 - `begin_reading` writes it
    for part in parts:
        if part.status == "running" and part.batch_id:
            await _mend(runtime, part)
    if bulk.speed == "instant":
        await instant.call_for(runtime, bulk, parts, time_limit)
        return
    in_flight = sum(part.status == "running" for part in parts)
    waiting = [part for part in parts if part.status == "waiting"]
    room = runtime.settings.max_parts_in_flight - in_flight
    if not waiting or room <= 0:
        return
    if not is_ordered and await submission.is_held_back(runtime, may_be_remembered=False):
        return
    try:
        # Single jobs go first.
        await submit_lane(runtime, lane, time_limit, coalesce=True, is_ordered=is_ordered)
        await _start_parts(runtime, bulk, waiting, room, time_limit, is_ordered=is_ordered)
    except (BudgetSpent, ShareSpent) as spent:
        log.warning("bulk_waits", bulk_id=bulk.bulk_id, reason=str(spent))
    except TryLater as trouble:
        left_to_the_next_tick("start_part", trouble, bulk_id=bulk.bulk_id)


async def _start_parts(
    runtime: Runtime, bulk: BulkJob, waiting: list[BulkPart], room: int, time_limit: TimeLimit, *, is_ordered: bool
) -> None:
    """Start as many as there is room for; where a lane takes one in no more, the others of it wait, too."""
    full: set[Lane | None] = set()
    for part in waiting:
        if room <= 0 or time_limit.is_over:
            return
        if part.lane in full:
            continue
        if await start_part(runtime, bulk, part.part, is_ordered=is_ordered):
            room -= 1
        else:
            full.add(part.lane)


async def _cancel(runtime: Runtime, bulk: BulkJob, parts: list[BulkPart]) -> None:
    """Stop what the provider has, and cancel what waits."""
    for part in parts:
        try:
            if part.status == "waiting":
                await ending.cancel_part(runtime, bulk, part.part)
            elif part.status == "running" and part.batch_id:
                await _mend(runtime, part)
                await stop(runtime, part.batch_id, "cancel")
            elif part.status == "running":
                await instant.release_dead(runtime, part)
                await ending.cancel_part(runtime, bulk, part.part)
        except LeaseHeld:
            # Its holder, or the next tick.
            continue
        except TryLater as trouble:
            left_to_the_next_tick("cancel_part", trouble, bulk_id=bulk.bulk_id)


async def _mend(runtime: Runtime, part: BulkPart) -> None:
    """Let a part wait again whose batch's document was deleted by hand."""
    if part.batch_id is None or await batches.read(runtime, part.batch_id) is not None:
        return
    log.warning("bulk_part_recovered", bulk_id=part.bulk_id, part=part.part, batch_id=part.batch_id)
    commit = Commit(runtime)
    commit.update(
        documents.part_ref(runtime, part.bulk_id, part.part),
        {"status": "waiting", "batchId": None, "through": None, "round": part.round + 1},
        read_as_of=part.update_time,
    )
    try:
        await commit.send()
    except Undecided:
        return


def _progress(parts: list[BulkPart], answered: Answered) -> float:
    """The share of items that have ended, or that the provider says it has answered."""
    counts = sum((part.counts for part in parts), BulkCounts())
    under_way = sum(min(answered.get(part.batch_id or "", 0), part.counts.open) for part in parts)
    return 1.0 if not counts.total else round((counts.total - counts.open + under_way) / counts.total, 4)


def _budget(runtime: Runtime, bulk: BulkJob, parts: list[BulkPart]) -> dict[str, float | str]:
    """By what a bulk job in real time counts against the budget of the day: what its answers cost since its begin."""
    cost_usd, today = sum(part.cost_usd for part in parts), runtime.today
    before = bulk.budget_before_usd if bulk.budget_day == today else bulk.cost_usd
    return {
        "costUsd": cost_usd,
        "budgetDay": today,
        "budgetUsd": max(0.0, cost_usd - before),
        "budgetBeforeUsd": before,
    }
