"""A tick: whatever the triggers left, lost or could not do is taken up here. Safe to run twice at once: every duty is.

The duties are independent. What goes wrong in one, or in one batch, is logged and left to the next tick; the
others go on.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final

import structlog

from nightshift.journey import admit, poll
from nightshift.journey.advance import advance, submit_lane
from nightshift.log import where_raised
from nightshift.model.batch import Batch
from nightshift.model.errors import TryLater
from nightshift.providers.base import RemoteBatch
from nightshift.runtime import Budget, Runtime
from nightshift.store import batches, lanes

log = structlog.get_logger()

_BATCHES_AT_ONCE: Final = 4


async def tick(runtime: Runtime) -> None:
    """Rescue, poll, ingest, settle, retry, submit, clean up: as much as the time budget allows."""
    budget = runtime.budget(runtime.settings.tick_seconds)
    for duty in (_rescue, _advance_open_batches, _submit_lanes, _delete_stray_files):
        if budget.is_spent:
            log.warning("tick_out_of_time", duty=duty.__name__)
            return
        await _unless_trouble(duty.__name__, duty(runtime, budget))


async def _rescue(runtime: Runtime, budget: Budget) -> None:
    rescued = await admit.rescue(runtime, budget)
    if rescued:
        log.warning("jobs_rescued", jobs=rescued)


async def _advance_open_batches(runtime: Runtime, budget: Budget) -> None:
    open_batches = await batches.open_batches(runtime)
    seen = await poll.look(runtime, open_batches)
    at_once = asyncio.Semaphore(_BATCHES_AT_ONCE)

    async def advance_one(batch: Batch) -> None:
        async with at_once:
            if not budget.is_spent:
                await _unless_trouble("advance", advance(runtime, batch.batch_id, seen))

    moving = [batch for batch in open_batches if not _waits(runtime, batch, seen)]
    await asyncio.gather(*(advance_one(batch) for batch in moving))


def _waits(runtime: Runtime, batch: Batch, seen: dict[str, RemoteBatch]) -> bool:
    """Whether the provider is still at work on it: then nothing is read, and nothing is written."""
    remote = seen.get(batch.remote_id or "")
    return batch.status == "submitted" and remote is not None and not poll.is_ready(remote, runtime.now())


async def _submit_lanes(runtime: Runtime, budget: Budget) -> None:
    for lane in await lanes.with_queued_jobs(runtime):
        if not budget.is_spent:
            await _unless_trouble("submit", submit_lane(runtime, lane, budget, coalesce=False))


async def _delete_stray_files(runtime: Runtime, budget: Budget) -> None:
    """Delete the input files that a crash left behind: they are named after a batch that does not own them."""
    async for file in runtime.provider.input_files():
        batch_id = file.name.removesuffix(".jsonl")
        if budget.is_spent or not batches.is_batch_id(batch_id):
            continue
        batch = await batches.read(runtime, batch_id)
        # A batch that we do not know belongs to another project of the same account; one without a file may be
        # uploading it now.
        if batch is None or (batch.is_open and batch.input_file_id in {None, file.file_id}):
            continue
        log.warning("stray_file_deleted", batch_id=batch_id, file_id=file.file_id)
        await runtime.provider.delete_file(file.file_id)


async def _unless_trouble(duty: str, work: Awaitable[None]) -> None:
    try:
        await work
    except TryLater as trouble:
        log.warning("left_to_the_next_tick", duty=duty.strip("_"), error=type(trouble).__name__, reason=str(trouble))
    except Exception as bug:  # noqa: BLE001 - one batch that cannot be dealt with must not stop all the others
        log.error("duty_failed", duty=duty.strip("_"), error=type(bug).__name__, where=where_raised(bug))
