"""A tick: whatever the triggers left, lost or could not do is taken up here. Safe to run twice at once: every duty is.

The duties are independent. What goes wrong in one, or in one batch, is logged and left to the next tick; the
others go on.
"""

import asyncio
from typing import Final

import structlog

from nightshift.journey import admit, poll, recover
from nightshift.journey.advance import advance, submit_lane
from nightshift.journey.duty import unless_trouble
from nightshift.model.batch import Batch
from nightshift.providers.base import ProviderGone, ProviderRefusal, ProviderTrouble, RemoteBatch, RemoteFile
from nightshift.runtime import Budget, Runtime
from nightshift.store import batches, lanes

log = structlog.get_logger()

_BATCHES_AT_ONCE: Final = 4


async def tick(runtime: Runtime) -> None:
    """Rescue, poll, ingest, settle, retry, submit, clean up: as much as the time budget allows."""
    budget = runtime.budget(runtime.settings.tick_seconds)
    for duty in (_rescue, _advance_open_batches, _recover, _submit_lanes, _delete_stray_files):
        if budget.is_spent:
            log.warning("tick_out_of_time", duty=duty.__name__)
            return
        await unless_trouble(duty.__name__.strip("_"), duty(runtime, budget))


async def _rescue(runtime: Runtime, budget: Budget) -> None:
    rescued = await admit.rescue(runtime, budget)
    if rescued:
        log.warning("jobs_rescued", jobs=rescued)


async def _advance_open_batches(runtime: Runtime, budget: Budget) -> None:
    open_batches = await batches.open_batches(runtime)
    seen: dict[str, RemoteBatch] = {}
    try:
        seen = await poll.look(runtime, open_batches)
    except (ProviderTrouble, ProviderRefusal, ProviderGone) as trouble:
        # Without a listing each batch is asked for by itself; those that need nothing of the provider go on anyway.
        log.warning("listing_failed", error=type(trouble).__name__, reason=str(trouble))
    at_once = asyncio.Semaphore(_BATCHES_AT_ONCE)

    async def advance_one(batch: Batch) -> None:
        async with at_once:
            if not budget.is_spent:
                await unless_trouble("advance", advance(runtime, batch.batch_id, seen), batch_id=batch.batch_id)

    moving = [batch for batch in open_batches if not poll.waits(batch, seen, runtime.now())]
    await asyncio.gather(*(advance_one(batch) for batch in moving))


async def _recover(runtime: Runtime, _: Budget) -> None:
    await recover.recover(runtime)


async def _submit_lanes(runtime: Runtime, budget: Budget) -> None:
    for lane in await lanes.with_queued_jobs(runtime):
        if not budget.is_spent:
            await unless_trouble("submit", submit_lane(runtime, lane, budget, coalesce=False), lane=str(lane))


async def _delete_stray_files(runtime: Runtime, budget: Budget) -> None:
    """Delete the input files that a crash left behind: they are named after a batch that does not own them."""
    async for file in runtime.provider.input_files():
        if not budget.is_spent:
            await unless_trouble("delete_stray_file", _delete_if_stray(runtime, file), file_id=file.file_id)


async def _delete_if_stray(runtime: Runtime, file: RemoteFile) -> None:
    if await is_stray_file(runtime, file):
        log.warning("stray_file_deleted", file=file.name, file_id=file.file_id)
        await runtime.provider.delete_file(file.file_id)


async def is_stray_file(runtime: Runtime, file: RemoteFile) -> bool:
    """Whether an input file is named after a batch of ours that does not own it. Raises TryLater."""
    batch_id = file.name.removesuffix(".jsonl")
    batch = await batches.read(runtime, batch_id) if batches.is_batch_id(batch_id) else None
    # An unknown batch belongs to another project of the same account; one without a file may be uploading it just now.
    return batch is not None and not (batch.is_open and batch.input_file_id in {None, file.file_id})
