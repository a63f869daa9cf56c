"""A tick: whatever the triggers left, lost or could not do is taken up here. Safe to run twice at once: every duty is.

The duties are independent. What goes wrong in one, or in one batch, is logged and left to the next tick; the
others go on. The last event of a tick, `tick_done`, says how the night goes, for the alerts: what is still queued when
all is done, and the open batches as the tick found them. What could not be looked at is left out of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import structlog

from nightshift.admission import admit
from nightshift.batches import documents as batches
from nightshift.batches import lanes, move, poll
from nightshift.batches.advance import advance_found, submit_lane
from nightshift.batches.documents import Found
from nightshift.batches.listing import NOTHING_LISTED, ProviderListing
from nightshift.batches.messages import call_to_advance_each
from nightshift.bulk import documents as bulk_jobs
from nightshift.bulk.advance import advance_within
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.messages import call_workers
from nightshift.duty import run_isolated
from nightshift.errors import BudgetSpent
from nightshift.instant.sweep import sweep
from nightshift.notify import preferences
from nightshift.orders.carry_out import carry_out
from nightshift.orders.documents import open_orders
from nightshift.providers.base import Provider, ProviderGone, ProviderRefusal, ProviderTrouble, RemoteFile
from nightshift.reports import backlog, counters, fold, last_tick
from nightshift.reports.history import HistoryState
from nightshift.reports.watch import Observed, watch
from nightshift.runtime import Runtime, TimeLimit
from nightshift.tick import recover
from nightshift.values.lane import Lane
from nightshift.values.turns import FairTurns, in_turn

log = structlog.get_logger()

_BATCHES_AT_ONCE: Final = 4
# What bulk jobs that have nothing at the provider yet may take of the time of all of them.
_NEW_BULK_SHARE: Final = 0.8


async def tick(runtime: Runtime) -> None:
    """Poll, ingest, settle, retry, rescue, submit, clean up: as much as the time budget allows."""
    await _Tick(runtime).run()


class _Tick:
    """One tick: its duties in their order."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._time_limit = runtime.time_limit(runtime.settings.tick_seconds)
        self._began_at = runtime.now()
        # The open batches as the tick found them.
        self._open: list[Found] = []
        # The lanes with queued jobs, once they are known.
        self._lanes: list[Lane] | None = None
        self._duties_failed = 0
        # How far the history reaches; None while it was not folded.
        self._history: HistoryState | None = None
        # What is known of the night's health.
        self._health: dict[str, Any] = {}
        # The provider's files that open batches have on record: no stray is among them.
        self._owned_files: set[str | None] = set()
        # How many answers the provider counts in each batch of a bulk job.
        self._answered: dict[str, int] = {}
        # The bulk jobs of which a batch moved on in this tick.
        self._moved_bulk_ids: set[str] = set()

    async def run(self) -> None:
        # Each duty, and its share of the time. What one leaves goes to those after it, and no duty can take theirs.
        # What is paid for comes before what may be anything: the rescue looks at what clients wrote.
        duties: tuple[tuple[Callable[[TimeLimit], Awaitable[None]], int], ...] = (
            (self._advance_open_batches, 5),
            (self._move, 1),
            (self._recover, 1),
            (self._rescue, 2),
            (self._carry_out_orders, 1),
            (self._submit_lanes, 5),
            (self._advance_bulk_jobs, 4),
            (self._sweep, 1),
            (self._deliver, 1),
            (self._delete_stray_files, 1),
            (self._fold_history, 2),
            (self._keep_counters, 1),
        )
        shares_left = sum(share for _, share in duties)
        for duty, share in duties:
            name = duty.__name__.strip("_")
            if self._time_limit.is_over:
                log.warning("tick_out_of_time", duty=name)
                break
            await self._do(name, duty(self._time_limit.share(share / shares_left)))
            shares_left -= share
        await self._do("look_at_the_backlog", self._look_at_the_backlog())
        await self._do("watch", self._watch())
        await self._do("record_tick", self._record())
        seconds = _seconds(self._runtime.now(), self._began_at)
        log.info("tick_done", duties_failed=self._duties_failed, seconds=seconds, **self._health)

    async def _do(self, duty: str, work: Awaitable[object], **ids: str) -> None:
        if not await run_isolated(duty, work, **ids):
            self._duties_failed += 1

    async def _rescue(self, time_limit: TimeLimit) -> None:
        rescued = await admit.rescue(self._runtime, time_limit)
        if rescued:
            log.warning("jobs_rescued", jobs=rescued)

    async def _advance_open_batches(self, time_limit: TimeLimit) -> None:
        open_batches = self._open = await batches.open_batches(self._runtime)
        self._owned_files |= {found.batch.input_file_id for found in open_batches}
        oldest = min((found.batch.sent_at for found in open_batches), default=self._began_at)
        self._health["open_batches"] = len(open_batches)
        self._health["oldest_batch_seconds"] = _seconds(self._began_at, oldest)
        seen_at: dict[str, ProviderListing] = {}
        for provider in self._runtime.providers.configured():
            try:
                in_its_lanes = [found.batch for found in open_batches if found.batch.lane.provider == provider.name]
                seen_at[provider.name] = await poll.look(self._runtime, provider, in_its_lanes)
            except (ProviderTrouble, ProviderRefusal, ProviderGone) as trouble:
                # Without a listing each batch is asked for by itself; those that need nothing of it go on anyway.
                log.warning("listing_failed", error=type(trouble).__name__, reason=str(trouble))

        def seen_of(found: Found) -> ProviderListing:
            return seen_at.get(found.batch.lane.provider, NOTHING_LISTED)

        at_once = asyncio.Semaphore(_BATCHES_AT_ONCE)
        left: list[str] = []

        async def advance_one(found: Found) -> None:
            async with at_once:
                if time_limit.is_over:
                    left.append(found.batch.batch_id)
                else:
                    advancing = advance_found(self._runtime, found, seen_of(found))
                    ids = {"batch_id": found.batch.batch_id, "lane": str(found.batch.lane)}
                    await self._do("advance", advancing, **ids)

        by_remote_id = {found.batch.remote_id: found.batch for found in open_batches if found.batch.source}
        for listing in seen_at.values():
            for remote_id, remote in listing.remotes.items():
                if (batch := by_remote_id.get(remote_id)) and remote.completed:
                    self._answered[batch.batch_id] = remote.completed
        now = self._runtime.now()
        moving = [found for found in open_batches if not poll.waits(found.batch, seen_of(found), now)]
        self._moved_bulk_ids = {found.batch.source.bulk_id for found in moving if found.batch.source}
        # The oldest first; but however many parts a bulk job has here, another's first is among the first.
        moving.sort(key=lambda found: found.batch.created_at)
        await asyncio.gather(*(advance_one(found) for found in in_turn(moving, _whose)))
        if left:
            log.warning("batches_left", batches=len(left))
            await call_to_advance_each(self._runtime, left)

    async def _move(self, time_limit: TimeLimit) -> None:
        await move.move_batches(self._runtime, [found.batch for found in self._open], time_limit)
        for lane in await lanes.with_queued_jobs(self._runtime) if self._runtime.settings.fallback_model else ():
            if not time_limit.is_over:
                await self._do("move", move.move_queued(self._runtime, lane, time_limit), lane=str(lane))

    async def _recover(self, _: TimeLimit) -> None:
        await recover.recover(self._runtime)

    async def _carry_out_orders(self, time_limit: TimeLimit) -> None:
        """For which no worker came, or which one left half done."""
        orders = await open_orders(self._runtime)
        for left, order in zip(range(len(orders), 0, -1), orders, strict=True):
            if not time_limit.is_over:
                carrying_out = carry_out(self._runtime, order.order_id, time_limit.share(1 / left))
                await self._do("carry_out_order", carrying_out, order_id=order.order_id)

    async def _submit_lanes(self, time_limit: TimeLimit) -> None:
        waiting: list[BudgetSpent] = []

        async def submit(lane: Lane, share: TimeLimit) -> None:
            try:
                await submit_lane(self._runtime, lane, share, coalesce=False)
            except BudgetSpent as spent:
                waiting.append(spent)

        self._lanes = await lanes.with_queued_jobs(self._runtime)
        for left, lane in zip(range(len(self._lanes), 0, -1), self._lanes, strict=True):
            if not time_limit.is_over:
                await self._do("submit", submit(lane, time_limit.share(1 / left)), lane=str(lane))
        if waiting:
            last = waiting[-1]
            log.error("budget_spent", lanes=len(waiting), spent_usd=last.spent_usd, budget_usd=last.budget_usd)

    async def _advance_bulk_jobs(self, time_limit: TimeLimit) -> None:
        """After the lanes: single jobs go first. Then what has nothing at the provider yet: from there on it waits."""
        found = await bulk_jobs.to_advance(self._runtime)
        new = [bulk for bulk in found if bulk.is_new]
        others = sorted((bulk for bulk in found if not bulk.is_new), key=self._place)
        left = await self._advance_in_turn(new, time_limit.share(_NEW_BULK_SHARE))
        left += await self._advance_in_turn(others, time_limit)
        if left:
            log.warning("bulk_jobs_left", jobs=len(left))
            await call_workers(self._runtime, left)

    def _place(self, bulk: BulkJob) -> tuple[bool, int]:
        """First what something has come of: its next step is due. Then what has had least of the room in its lane."""
        return bulk.bulk_id not in self._moved_bulk_ids, bulk.counts.ended

    async def _advance_in_turn(self, found: list[BulkJob], time_limit: TimeLimit) -> list[str]:
        """The next is always of the user who has used least of the time; returns what the time was too short for."""
        turns = FairTurns(found, lambda bulk: bulk.user_id)

        async def advance(bulk: BulkJob, share: TimeLimit) -> None:
            began_at, is_unfinished = self._runtime.now(), False
            try:
                is_unfinished = await advance_within(self._runtime, bulk.bulk_id, share, self._answered)
            finally:
                turns.used(bulk, _seconds(self._runtime.now(), began_at), is_unfinished=is_unfinished)

        while turns.users and not time_limit.is_over:
            share = time_limit.share(1 / turns.users)
            bulk = turns.take()
            await self._do("advance_bulk", advance(bulk, share), bulk_id=bulk.bulk_id)
        return [bulk.bulk_id for bulk in turns.left]

    async def _sweep(self, _: TimeLimit) -> None:
        # It bounds its own time.
        await sweep(self._runtime)

    async def _deliver(self, time_limit: TimeLimit) -> None:
        if preferences.are_asked_for(self._runtime):
            from nightshift.notify.deliver import deliver_due

            await deliver_due(self._runtime, time_limit)

    async def _delete_stray_files(self, time_limit: TimeLimit) -> None:
        """Delete the input files that a crash left behind: they are named after a batch that does not own them."""
        for provider in self._runtime.providers.configured():
            await self._do("delete_stray_files", self._delete_stray_files_at(provider, time_limit))

    async def _delete_stray_files_at(self, provider: Provider, time_limit: TimeLimit) -> None:
        async for file in provider.input_files():
            if time_limit.is_over:
                break
            if file.file_id not in self._owned_files:
                deletion = _delete_if_stray(self._runtime, provider, file)
                await self._do("delete_stray_file", deletion, file_id=file.file_id)

    async def _fold_history(self, time_limit: TimeLimit) -> None:
        self._history = await fold.fold(self._runtime, time_limit)

    async def _keep_counters(self, _: TimeLimit) -> None:
        await counters.keep(self._runtime)

    async def _record(self) -> None:
        """For those who ask how the night goes (reports/last_tick.py)."""
        fields = {_camel_case(name): number for name, number in self._health.items()}
        await last_tick.record(self._runtime, {**fields, "dutiesFailed": self._duties_failed})

    async def _watch(self) -> None:
        """For alerts in the product (reports/watch.py)."""
        seen = Observed(
            open_batches=[found.batch for found in self._open] if "open_batches" in self._health else None,
            oldest_queued_seconds=self._health.get("oldest_queued_seconds"),
            history=self._history,
        )
        await watch(self._runtime, seen)

    async def _look_at_the_backlog(self) -> None:
        """Where no lane had a queued job a moment ago, nothing is read."""
        if self._lanes is None:
            self._lanes = await lanes.with_queued_jobs(self._runtime)
        queued = await backlog.count(self._runtime) if self._lanes else 0
        oldest = await backlog.oldest_queued_at(self._runtime, self._lanes) if queued else None
        now = self._runtime.now()
        window = self._runtime.settings.submit_at
        if window and oldest:
            # Until the window opens a job waits as it should; an alert is about what waits longer.
            oldest = max(oldest, window.last_opening(now)) if window.is_open(now) else now
        self._health |= {"queued": queued, "oldest_queued_seconds": _seconds(now, oldest or now)}


def _whose(found: Found) -> str:
    """The bulk job of a part's batch; a batch of jobs, which has many users, is taken by itself."""
    source = found.batch.source
    return source.bulk_id if source else f"batch {found.batch.batch_id}"


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def _seconds(until: datetime, since: datetime) -> float:
    """Two clocks need not agree: at least none."""
    return round(max(0.0, (until - since).total_seconds()), 3)


async def _delete_if_stray(runtime: Runtime, provider: Provider, file: RemoteFile) -> None:
    if await is_stray_file(runtime, file):
        log.warning("stray_file_deleted", batch_id=file.name.removesuffix(".jsonl"))
        await provider.delete_file(file.file_id)


async def is_stray_file(runtime: Runtime, file: RemoteFile) -> bool:
    """Whether an input file is named after a batch of ours that does not own it. Raises TryLater."""
    batch_id = file.name.removesuffix(".jsonl")
    batch = await batches.read(runtime, batch_id) if batches.is_batch_id(batch_id) else None
    # An unknown batch belongs to another project of the same account; one without a file may be uploading it just now.
    return batch is not None and not (batch.is_open and batch.input_file_id in {None, file.file_id})
