"""A tick: whatever the triggers left, lost or could not do is taken up here. Safe to run twice at once: every duty is.

The duties are independent. What goes wrong in one, or in one batch, is logged and left to the next tick; the
others go on.
"""

import asyncio
from typing import Final

import structlog

from nightshift.journey import admit, poll, recover
from nightshift.journey.advance import advance_found, submit_lane
from nightshift.journey.duty import unless_trouble
from nightshift.journey.seen import NOTHING_SEEN
from nightshift.journey.sweep import sweep
from nightshift.model.errors import BudgetSpent
from nightshift.model.lane import Lane
from nightshift.providers.base import ProviderGone, ProviderRefusal, ProviderTrouble, RemoteFile
from nightshift.runtime import Runtime
from nightshift.store import batches, lanes
from nightshift.store.batches import Found

log = structlog.get_logger()

_BATCHES_AT_ONCE: Final = 4


async def tick(runtime: Runtime) -> None:
    """Rescue, poll, ingest, settle, retry, submit, clean up: as much as the time budget allows."""
    await _Tick(runtime).run()


class _Tick:
    """One tick: its duties in their order."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._budget = runtime.budget(runtime.settings.tick_seconds)
        # The provider's files that open batches have on record: no stray is among them.
        self._owned_files: set[str | None] = set()

    async def run(self) -> None:
        duties = (
            self._rescue,
            self._advance_open_batches,
            self._recover,
            self._submit_lanes,
            self._sweep,
            self._delete_stray_files,
        )
        for duty in duties:
            if self._budget.is_spent:
                log.warning("tick_out_of_time", duty=duty.__name__)
                return
            await unless_trouble(duty.__name__.strip("_"), duty())

    async def _rescue(self) -> None:
        rescued = await admit.rescue(self._runtime, self._budget)
        if rescued:
            log.warning("jobs_rescued", jobs=rescued)

    async def _advance_open_batches(self) -> None:
        open_batches = await batches.open_batches(self._runtime)
        self._owned_files |= {found.batch.input_file_id for found in open_batches}
        seen = NOTHING_SEEN
        try:
            seen = await poll.look(self._runtime, [found.batch for found in open_batches])
        except (ProviderTrouble, ProviderRefusal, ProviderGone) as trouble:
            # Without a listing each batch is asked for by itself; those that need nothing of the provider go on anyway.
            log.warning("listing_failed", error=type(trouble).__name__, reason=str(trouble))
        at_once = asyncio.Semaphore(_BATCHES_AT_ONCE)

        async def advance_one(found: Found) -> None:
            async with at_once:
                if not self._budget.is_spent:
                    advancing = advance_found(self._runtime, found, seen)
                    await unless_trouble("advance", advancing, batch_id=found.batch.batch_id)

        now = self._runtime.now()
        moving = [found for found in open_batches if not poll.waits(found.batch, seen, now)]
        await asyncio.gather(*(advance_one(found) for found in moving))

    async def _recover(self) -> None:
        await recover.recover(self._runtime)

    async def _submit_lanes(self) -> None:
        waiting: list[BudgetSpent] = []

        async def submit(lane: Lane) -> None:
            try:
                await submit_lane(self._runtime, lane, self._budget, coalesce=False)
            except BudgetSpent as spent:
                waiting.append(spent)

        for lane in await lanes.with_queued_jobs(self._runtime):
            if not self._budget.is_spent:
                await unless_trouble("submit", submit(lane), lane=str(lane))
        if waiting:
            last = waiting[-1]
            log.error("budget_spent", lanes=len(waiting), spent_usd=last.spent_usd, budget_usd=last.budget_usd)

    async def _sweep(self) -> None:
        await sweep(self._runtime)

    async def _delete_stray_files(self) -> None:
        """Delete the input files that a crash left behind: they are named after a batch that does not own them."""
        async for file in self._runtime.provider.input_files():
            if not self._budget.is_spent and file.file_id not in self._owned_files:
                await unless_trouble("delete_stray_file", _delete_if_stray(self._runtime, file), file_id=file.file_id)


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
