"""Assemble: `queued` → `processing`. Claim a lane's jobs into a batch, and write their request lines to its input file.

Each page of jobs is claimed in one commit with the batch's own document, the first page together with its
creation and the lane's lease: no batch is empty, and no job is claimed by a batch that does not exist. Then its lines
are streamed on to the input file.

A crash leaves a batch `assembling`, with its claimed jobs and perhaps an input file. Whoever takes its lease next
writes the file anew from the jobs that it holds (`reassemble`), and claims no more. A job that another batch
took meanwhile makes the claim `Undecided`: then the page is read again. That the file is whole is recorded with the
batch's next step, or with its release.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, inf, isfinite
from typing import Final

import structlog

from nightshift.batches import artifacts
from nightshift.batches import documents as batches
from nightshift.batches.correction import NO_CORRECTION, Correction
from nightshift.batches.lanes import HeldLane
from nightshift.batches.limits import BatchLimits, Estimate, Room
from nightshift.batches.queue import Turns, queued
from nightshift.batches.transitions import HeldBatch, create_batch
from nightshift.database.commits import Undecided, attempts
from nightshift.errors import BudgetSpent, JobRefused, TryLater
from nightshift.jobs import settlements
from nightshift.jobs.job import Job
from nightshift.jobs.request import RequestLine, request_line
from nightshift.jobs.settlement import Failed, failure
from nightshift.pricing import spending
from nightshift.pricing.prices import batch_cost_usd
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.usage import NOTHING_USED

log = structlog.get_logger()

_PAGE: Final = 200
_IMAGES_AT_ONCE: Final = 16
# How long a batch whose assembler died waits for an image of its jobs; then it goes without that job.
_IMAGE_PATIENCE: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """A sealed batch, its lease held."""

    held: HeldBatch
    # Whether it is full, so that jobs may still be waiting.
    is_full: bool


async def assemble(runtime: Runtime, held_lane: HeldLane) -> Assembled | None:
    """Gather the lane's next jobs into one new batch, and seal it; None when no job is queued, or none may be sent now.

    Raises:
        LeaseHeld: somebody else is at the lane.
        BudgetSpent: jobs may be queued, and the day's budget does not reach for the next one.
    """
    lane = held_lane.lane
    budget_usd = runtime.settings.daily_budget_usd or inf
    spent_usd = await _spent_usd(runtime, lane) if isfinite(budget_usd) else 0.0
    if spent_usd >= budget_usd:
        raise BudgetSpent(spent_usd, budget_usd)
    limits = await _limits(runtime, lane, held_lane.most_requests, budget_usd - spent_usd)
    is_limited = isfinite(limits.usd) or limits.tokens is not None
    correction = await batches.correction(runtime, lane) if is_limited else NO_CORRECTION
    assembly = _Assembly(runtime, held_lane, limits, correction)
    async with aclosing(assembly.pages()) as pages:
        first = await anext(pages, None)
        held = assembly.held
        if held is None or first is None:
            if assembly.is_over_budget:
                raise BudgetSpent(spent_usd, budget_usd)
            return None
        async with held.lease.renewed():
            await artifacts.write(runtime, held.batch.batch_id, "input", _chained(first, pages))
            if assembly.is_doubtful:
                # A claim whose answer was lost may have landed since; after this write none can any more.
                await held.lease.renew()
                await reassemble(runtime, held)
            else:
                held.seal()
                log.info("batch_sealed", batch_id=held.batch.batch_id, jobs=assembly.room.requests)
    return Assembled(held=held, is_full=assembly.is_full)


async def reassemble(runtime: Runtime, held: HeldBatch) -> None:
    """Write a batch's input file anew, from the jobs that it has claimed by the database's word, and seal it."""
    batch = held.batch
    written = 0

    async def pages() -> AsyncIterator[bytes]:
        nonlocal written
        async for jobs in batches.processing_jobs(runtime, batch.batch_id):
            page = await _request_page(runtime, batch.lane, jobs)
            if page.unreachable and runtime.now() < batch.created_at + _IMAGE_PATIENCE:
                raise TryLater("the image of a claimed job cannot be reached now")
            written += len(page.lines)
            yield _joined(page.lines)

    await artifacts.write(runtime, batch.batch_id, "input", pages())
    # Those that ended meanwhile, since they can never be sent or somebody cancelled them, are its jobs, too.
    claimed = await batches.count_claimed(runtime, batch.batch_id)
    if written:
        await held.seal_again(claimed)
        log.info("batch_sealed", batch_id=batch.batch_id, jobs=written)
    else:
        await held.give_up_empty(claimed)


class _Assembly:
    """A batch while it fills."""

    def __init__(self, runtime: Runtime, held_lane: HeldLane, limits: BatchLimits, correction: Correction) -> None:
        self.held: HeldBatch | None = None
        self.room = Room(limits=limits)
        self._runtime = runtime
        self._lane = held_lane.lane
        self._held_lane = held_lane
        self._correction = correction
        # Whether jobs may have to stay in the queue.
        self._is_scarce = held_lane.most_requests is not None or limits.tokens is not None or isfinite(limits.usd)
        # A claim was undecided: the batch may hold jobs that are not among its lines.
        self.is_doubtful = False
        # No further line fits.
        self.is_full = False
        # The day's budget does not reach for the next job.
        self.is_over_budget = False
        # No further job is queued, or none that can be sent now.
        self._is_exhausted = False

    async def pages(self) -> AsyncGenerator[bytes, None]:
        """Claim the next jobs, as many as fit, page by page; yields the lines of each page once it is claimed."""
        tries = attempts()
        while not (self.is_full or self._is_exhausted):
            await anext(tries)
            try:
                async with aclosing(self._claimed_pages()) as pages:
                    async for lines in pages:
                        yield lines
                        tries = attempts()
            except Undecided:
                # A job was taken by another batch, or nobody knows: what is still queued is read again.
                self.is_doubtful = self.held is not None

    async def _claimed_pages(self) -> AsyncGenerator[bytes, None]:
        runtime, lane, limit = self._runtime, self._lane, self.room.requests_left
        number = 0
        # Whose turn is the next is written with the batch itself, so it is about the first page.
        turns = self._held_lane.turns if self._is_scarce and self.held is None else None
        async with aclosing(queued(runtime, lane, limit, _PAGE, turns)) as pages:
            async for jobs, is_last in pages:
                number += len(jobs)
                page = await _request_page(runtime, lane, jobs)
                room, fitting = self._fill(page.lines)
                is_full = len(fitting) < len(page.lines) or room.requests_left == 0
                if fitting:
                    of_id = {job.job_id: job for job in jobs}
                    claimed = [of_id[line.job_id] for line in fitting]
                    taken = turns.taken([line.job_id for line in fitting]) if turns else None
                    is_last_page = is_last and not is_full
                    await self._claim(claimed, room, taken, is_last=is_last_page, is_burst=len(jobs) == _PAGE)
                    yield _joined(fitting)
                # Only now: an undecided claim begins again, and the batch with it.
                self.is_full = is_full
                # Where no job of a page can be sent now, the next ones fare no better: Cloud Storage is not there.
                self._is_exhausted = not (fitting or page.refused)
                if self.is_full or self._is_exhausted:
                    return
        self._is_exhausted = number < limit

    def _fill(self, lines: Sequence[RequestLine]) -> tuple[Room, list[RequestLine]]:
        """The lines that fit, up to the first that does not: a later job does not overtake it."""
        room, fitting = self.room, list[RequestLine]()
        for line in lines:
            # Without a listed price no budget can hold.
            listed_usd = batch_cost_usd(self._lane.provider, self._lane.model, line.expected) or 0.0
            line_usd = listed_usd * self._correction.usd
            line_tokens = ceil(line.expected.input_tokens * self._correction.tokens)
            filled = room.with_line(len(line.line) + 1, line_tokens, line_usd)
            if filled is None:
                self.is_over_budget = not (fitting or room.affords(line_usd))
                break
            room = filled
            fitting.append(line)
        return room, fitting

    async def _claim(
        self, jobs: Sequence[Job], room: Room, turns: Turns | None, *, is_last: bool, is_burst: bool
    ) -> None:
        estimate = Estimate(
            tokens=room.tokens - self.room.tokens, usd=room.usd - self.room.usd, correction=self._correction
        )
        if self.held:
            await self.held.claim(jobs, estimate)
        else:
            self.held = await create_batch(
                self._runtime,
                self._held_lane,
                jobs,
                estimate,
                turns=turns,
                is_last=is_last,
                is_burst=is_burst,
            )
        self.room = room


async def _spent_usd(runtime: Runtime, lane: Lane) -> float:
    """What is spent of the day's budget. Who submits the lane reads it after the lane, and so sees its last batch."""
    told = runtime.instance.unpriced_lanes
    if lane not in told and batch_cost_usd(lane.provider, lane.model, NOTHING_USED) is None:
        told.add(lane)
        log.error("price_unknown")
    return await spending.spent_usd(runtime)


async def _limits(runtime: Runtime, lane: Lane, most_requests: int | None, usd: float) -> BatchLimits:
    settings, traits = runtime.settings, runtime.provider_for(lane).traits
    most_tokens = settings.max_enqueued_tokens
    in_flight = await batches.estimated_tokens_in_flight(runtime, lane) if most_tokens else 0
    return BatchLimits(
        requests=min(settings.max_batch_requests, traits.max_requests, most_requests or traits.max_requests),
        bytes=min(settings.max_batch_bytes, traits.max_bytes),
        tokens=most_tokens - in_flight if most_tokens else None,
        lane_is_idle=in_flight == 0,
        usd=usd,
    )


@dataclass(frozen=True, kw_only=True)
class _Page:
    """The request lines of some jobs, in their order, and how many have none."""

    lines: list[RequestLine]
    # They can never be sent, and have failed.
    refused: int
    # Their images could not be reached now.
    unreachable: int


async def _request_page(runtime: Runtime, lane: Lane, jobs: Sequence[Job]) -> _Page:
    """Build the lines of these jobs. A job that can never be sent fails here."""
    at_once = asyncio.Semaphore(_IMAGES_AT_ONCE)

    async def line_of(job: Job) -> RequestLine | Failed | None:
        try:
            async with at_once:
                return await _request_line(runtime, lane, job)
        except JobRefused as refusal:
            log.info("job_refused", job_id=job.job_id, code=refusal.code)
            return failure(job, refusal.code, refusal.message)
        except TryLater as trouble:
            log.warning("image_unreachable", job_id=job.job_id, reason=str(trouble))
            return None

    built = await asyncio.gather(*(line_of(job) for job in jobs))
    refused = [failed for failed in built if isinstance(failed, Failed)]
    await settlements.settle(runtime, refused)
    lines = [line for line in built if isinstance(line, RequestLine)]
    return _Page(lines=lines, refused=len(refused), unreachable=built.count(None))


async def _request_line(runtime: Runtime, lane: Lane, job: Job) -> RequestLine:
    line = await request_line(runtime, lane, job)
    if len(line.line) >= min(runtime.settings.max_batch_bytes, runtime.provider_for(lane).traits.max_bytes):
        raise JobRefused("invalid_input", "The request is too large.")
    return line


async def _chained(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for other in others:
        yield other


def _joined(lines: Sequence[RequestLine]) -> bytes:
    return b"".join(line.line + b"\n" for line in lines)
