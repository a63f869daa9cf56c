"""Run: parts are started while there is room, and stopped where that is wished; then the bulk job goes to its export.

A bulk job has a bounded number of parts in flight, so it leaves room for others. No process holds its lease here: two
processes that start the same part meet at the part's own document.
"""

from collections.abc import Mapping
from contextlib import suppress

import structlog
from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.batches import documents as batches
from nightshift.batches import submission
from nightshift.batches.advance import stop, submit_lane
from nightshift.bulk import documents, ending, instant, progress, transitions
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.bulk.start import start_part
from nightshift.database.commits import Commit, Undecided
from nightshift.errors import BudgetSpent, LeaseHeld, ShareSpent, TryLater
from nightshift.log import left_to_the_next_tick
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.lane import Lane

log = structlog.get_logger()


async def run(runtime: Runtime, bulk: BulkJob, answered: Mapping[str, int], time_limit: TimeLimit) -> bool:
    """Move a running or paused bulk job on. Returns whether it has reached its export, or its status changed.

    Args:
        answered: how many answers the provider counts in each batch that is under way.
    """
    parts = await runtime.instance.bulk_parts.of(bulk)
    if bulk.is_cancelling:
        await _cancel(runtime, bulk, parts)
        parts = await runtime.instance.bulk_parts.of(bulk)
    elif bulk.wish == "pause" and bulk.status == "running":
        return await transitions.pause(runtime, bulk)
    elif bulk.wish == "resume" and bulk.status == "paused":
        return await transitions.resume(runtime, bulk)
    elif bulk.status == "running" and await _start(runtime, bulk, parts, time_limit):
        parts = await runtime.instance.bulk_parts.of(bulk)
    if all(part.status == "closed" for part in parts):
        return await transitions.begin_export(runtime, bulk, progress.told(runtime, bulk, parts))
    await progress.note(runtime, bulk, parts, answered)
    return False


async def start_ordered(runtime: Runtime, lane: str | None, time_limit: TimeLimit) -> None:
    """Start parts of all running bulk jobs of a lane, or of all lanes, whatever holds submission or the lane back."""
    for bulk in await documents.open_bulk_jobs(runtime):
        is_meant = bulk.lane is not None and lane in {None, str(bulk.lane)}
        if is_meant and bulk.status == "running" and bulk.speed != "instant" and not time_limit.is_over:
            parts = await runtime.instance.bulk_parts.of(bulk)
            await _start(runtime, bulk, parts, time_limit, is_ordered=True)


async def _start(
    runtime: Runtime, bulk: BulkJob, parts: list[BulkPart], time_limit: TimeLimit, *, is_ordered: bool = False
) -> bool:
    """Start what there is room for. Returns False if no part has changed by it."""
    lane = bulk.lane
    assert lane, "a running bulk job has its lane on record"  # noqa: S101 - `begin_reading` writes it
    is_mended = False
    for part in parts:
        if part.status == "running" and part.batch_id:
            is_mended |= await _mend(runtime, part)
    if bulk.speed == "instant":
        await instant.call_for(runtime, bulk, parts, time_limit)
        return True
    in_flight = sum(part.status == "running" for part in parts)
    waiting = [part for part in parts if part.status == "waiting"]
    room = runtime.settings.max_parts_in_flight - in_flight
    if not waiting or room <= 0:
        return is_mended
    if not is_ordered and await submission.is_held_back(runtime, may_be_remembered=False):
        return is_mended
    try:
        # Single jobs go first.
        await submit_lane(runtime, lane, time_limit, coalesce=True, is_ordered=is_ordered)
        await _start_parts(runtime, bulk, waiting, room, time_limit, is_ordered=is_ordered)
    except (BudgetSpent, ShareSpent) as spent:
        log.warning("bulk_waits", bulk_id=bulk.bulk_id, reason=str(spent))
    except TryLater as trouble:
        left_to_the_next_tick("start_part", trouble, bulk_id=bulk.bulk_id)
    return True


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


async def _mend(runtime: Runtime, part: BulkPart) -> bool:
    """Let a part wait again whose batch's document was deleted by hand. Returns False if there is such a document."""
    if part.batch_id is None or await batches.read(runtime, part.batch_id) is not None:
        return False
    log.warning("bulk_part_recovered", bulk_id=part.bulk_id, part=part.part, batch_id=part.batch_id)
    commit = Commit(runtime)
    commit.update(
        documents.part_ref(runtime, part.bulk_id, part.part),
        {
            "status": "waiting",
            "batchId": None,
            "through": None,
            "round": part.round + 1,
            "updatedAt": SERVER_TIMESTAMP,
        },
        read_as_of=part.update_time,
    )
    with suppress(Undecided):
        await commit.send()
    return True
