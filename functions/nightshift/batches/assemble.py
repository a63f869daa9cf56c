"""Assemble: `queued` → `processing`. Claim a lane's jobs into a batch, and write their request lines to its input file.

Each page of jobs is claimed in one commit with the batch's own document. The first page goes together with its creation
and the lane's lease: no batch is empty, and no job is claimed by a batch that does not exist. Then its lines are
streamed on to the input file.

A crash leaves a batch `assembling`, with its claimed jobs and perhaps an input file. The next lease
holder writes the file anew from the batch's jobs (`reassemble`), and claims no more. A job that another batch took
meanwhile makes the claim `Undecided`: then the page is read again. That the file is whole is recorded with the
batch's next step, or with its release.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import ceil, inf, isfinite

import structlog

from nightshift.batches import artifacts
from nightshift.batches import documents as batches
from nightshift.batches.capacity import limits_of
from nightshift.batches.correction import NO_CORRECTION, Correction
from nightshift.batches.lanes import HeldLane
from nightshift.batches.limits import BatchFill, BatchLimits, Estimate, line_usd
from nightshift.batches.members import Members, members_of
from nightshift.batches.queue import MOST_LEFT_OUT, Turns, queued
from nightshift.batches.request_page import RequestPage, joined, request_page
from nightshift.batches.transitions import HeldBatch, create_batch
from nightshift.database.commits import Undecided, attempts
from nightshift.database.read_ahead import read_ahead
from nightshift.errors import BudgetSpent
from nightshift.jobs.job import Job
from nightshift.jobs.request import RequestLine
from nightshift.pricing import spending
from nightshift.pricing.shares import Shares
from nightshift.pricing.unpriced import tell_if_unpriced
from nightshift.runtime import Runtime

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """A sealed batch, its lease held."""

    held: HeldBatch
    # Whether it is full, so that jobs may still be waiting.
    is_full: bool


async def assemble(runtime: Runtime, held_lane: HeldLane, of_user: str | None = None) -> Assembled | None:
    """Gather the lane's next jobs into one new batch, and seal it; None when no job is queued, or none may be sent now.

    Args:
        of_user: gather this user's jobs alone, also while they wait after trouble. Else users who wait are left out.

    Raises:
        LeaseHeld: another process holds the lane's lease.
        BudgetSpent: jobs may be queued, and the day's budget does not reach for the next one.
    """
    lane = held_lane.lane
    tell_if_unpriced(runtime, lane)
    budget_usd = runtime.settings.daily_budget_usd or inf
    # Read after the lane, it counts the lane's last batch, too.
    spent_usd = await spending.spent_usd(runtime) if isfinite(budget_usd) else 0.0
    if spent_usd >= budget_usd:
        raise BudgetSpent(spent_usd, budget_usd)
    limits = await limits_of(runtime, lane, held_lane.most_requests, budget_usd - spent_usd)
    is_limited = isfinite(limits.usd) or limits.tokens is not None
    correction = await batches.correction(runtime, lane) if is_limited else NO_CORRECTION
    assembly = _Assembly(runtime, held_lane, limits, correction, Shares(runtime, spent_usd), of_user)
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
                await reassemble(runtime, held, members_of(runtime, held.batch))
            else:
                held.seal()
                log.info("batch_sealed", batch_id=held.batch.batch_id, jobs=assembly.fill.requests)
    return Assembled(held=held, is_full=assembly.is_full)


async def reassemble(runtime: Runtime, held: HeldBatch, members: Members) -> None:
    """Write a batch's input file anew, from what it has claimed by the database's word, and seal it."""
    written = 0

    async def pages() -> AsyncIterator[bytes]:
        nonlocal written
        async for page in members.pages():
            written += page.count(b"\n")
            yield page

    await artifacts.write(runtime, held.batch.batch_id, "input", pages())
    claimed = await members.count_claimed()
    if written:
        await held.seal_again(claimed, written, members.asked)
        log.info("batch_sealed", batch_id=held.batch.batch_id, jobs=written)
    else:
        await held.give_up_empty(claimed)


class _Assembly:
    """A batch while it fills."""

    def __init__(
        self,
        runtime: Runtime,
        held_lane: HeldLane,
        limits: BatchLimits,
        correction: Correction,
        shares: Shares,
        of_user: str | None,
    ) -> None:
        self.held: HeldBatch | None = None
        self.fill = BatchFill(limits=limits)
        self._runtime = runtime
        self._lane = held_lane.lane
        self._held_lane = held_lane
        self._correction = correction
        self._shares = shares
        self._of_user = of_user
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
                # Begun again without the users whose share is spent.
                tries = attempts()
            except Undecided:
                # Another batch took a job, or the answer was lost: what is still queued is read again.
                self.is_doubtful = self.held is not None
                self._shares.forget()

    async def _claimed_pages(self) -> AsyncGenerator[bytes, None]:
        runtime, lane, limit = self._runtime, self._lane, self.fill.requests_left
        page_jobs = runtime.instance.bounds.page_jobs
        number, is_progress = 0, False
        # Whose turn is the next is written with the batch itself, so it is about the first page.
        turns = self._held_lane.turns if self._is_scarce and self.held is None and not self._of_user else None
        await self._shares.look(runtime.instance.spent_shares.users, self.fill.usd)
        if self._of_user in self._shares.spent:
            self._is_exhausted = True
            return
        without = self._left_out()
        found = queued(runtime, lane, limit, page_jobs, turns, without, self._of_user)
        # While a page is claimed, which mostly waits for the database, the next one is read and its lines are built.
        async with aclosing(read_ahead(self._with_requests(found))) as pages:
            async for jobs, page, is_last in pages:
                number += len(jobs)
                filled = await self._fill(page.lines, {job.job_id: job for job in jobs})
                is_full = filled.is_full or filled.fill.requests_left == 0
                if filled.claimed:
                    is_last_page = is_last and not is_full
                    await self._claim(filled, turns, is_last=is_last_page, is_burst=len(jobs) == page_jobs)
                    yield joined([line for _, line in filled.claimed])
                # Only now: an undecided claim begins again, and the batch with it.
                self.is_full = is_full
                # Where no job of a page can be sent now, the next ones fare no better: Cloud Storage is not there.
                self._is_exhausted = not (filled.claimed or page.refused or filled.is_any_held)
                if self.is_full or self._is_exhausted:
                    return
                is_progress = is_progress or bool(filled.claimed or page.refused)
                is_news = filled.is_any_held and len(without) < MOST_LEFT_OUT
                if is_news and not is_last:
                    # All further jobs of such a user stay, however many: they need not be read.
                    return
        self._is_exhausted = number < limit or not is_progress

    async def _with_requests(
        self, found: AsyncGenerator[tuple[list[Job], bool], None]
    ) -> AsyncGenerator[tuple[list[Job], RequestPage, bool], None]:
        async with aclosing(found):
            async for jobs, is_last in found:
                yield jobs, await request_page(self._runtime, self._lane, jobs), is_last

    def _left_out(self) -> list[str]:
        """The users whose jobs stay in the queue: they wait after trouble, or their share of the budget is spent."""
        if self._of_user:
            return []
        backing_off = self._held_lane.users_backing_off
        return [*backing_off, *sorted(self._shares.spent - backing_off)][:MOST_LEFT_OUT]

    async def _fill(self, lines: Sequence[RequestLine], jobs: Mapping[str, Job]) -> "_Filled":
        """The lines that fit, up to the first that does not: a later job does not overtake it.

        Those of users whose share of the budget is spent are passed over.
        """
        priced = [(line, jobs[line.job_id], self._line_usd(line)) for line in lines]
        if self._shares.are_limited:
            page_usd = sum(usd for _, _, usd in priced)
            await self._shares.look({job.user_id for _, job, _ in priced}, self.fill.usd + page_usd)
        fill, claimed = self.fill, list[tuple[Job, RequestLine]]()
        of_jobs, of_users = dict[str, float](), dict[str, float]()
        is_full = is_any_held = False
        for line, job, usd in priced:
            more_usd = of_users.get(job.user_id, 0.0)
            if self._shares.is_spent(job.user_id, more_usd):
                self._shares.note(job.user_id, job.job_id, more_usd)
                is_any_held = True
                continue
            line_tokens = ceil(line.expected.input_tokens * self._correction.tokens)
            filled = fill.with_line(len(line.line) + 1, line_tokens, usd)
            if filled is None:
                self.is_over_budget = not (claimed or fill.affords(usd))
                is_full = True
                break
            fill = filled
            claimed.append((job, line))
            of_jobs[job.job_id] = usd
            of_users[job.user_id] = more_usd + usd
        return _Filled(
            fill=fill,
            claimed=claimed,
            of_jobs=of_jobs if self._shares.are_limited else {},
            of_users=of_users,
            is_full=is_full,
            is_any_held=is_any_held,
        )

    def _line_usd(self, line: RequestLine) -> float:
        return line_usd(self._lane, line.expected, self._correction, self._runtime.settings.daily_budget_usd or inf)

    async def _claim(self, filled: "_Filled", turns: Turns | None, *, is_last: bool, is_burst: bool) -> None:
        jobs, fill = [job for job, _ in filled.claimed], filled.fill
        estimate = Estimate(
            tokens=fill.tokens - self.fill.tokens,
            usd=fill.usd - self.fill.usd,
            correction=self._correction,
            of_jobs=filled.of_jobs,
        )
        if self.held:
            await self.held.claim(jobs, estimate)
        else:
            self.held = await create_batch(
                self._runtime,
                self._held_lane,
                jobs,
                estimate,
                turns=turns.taken([job.job_id for job in jobs]) if turns else None,
                is_last=is_last,
                is_burst=is_burst,
            )
        self.fill = fill
        self._shares.add(filled.of_users)


@dataclass(frozen=True, kw_only=True)
class _Filled:
    """What of a page goes into the batch."""

    # How full the batch is after it.
    fill: BatchFill
    claimed: Sequence[tuple[Job, RequestLine]]
    # What each job, and each user, takes of the budget by it.
    of_jobs: Mapping[str, float]
    of_users: Mapping[str, float]
    # A line did not fit.
    is_full: bool
    # A job stays in the queue, since its user's share of the budget is spent.
    is_any_held: bool


async def _chained(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for other in others:
        yield other
