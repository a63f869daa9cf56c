"""Parts that are answered in real time: a worker takes a part, answers its items with the instance's pace, and checks
in every few seconds.

A check-in is a round of the part: what ended since the last one is written into an object, and one commit moves the
states and refunds what failed.

| the worker dies | what is left | who goes on |
|---|---|---|
| before its first check-in | a part under a lease | the next worker, when the lease is over |
| between two check-ins | the items of the first check-in; the answers since are lost | asks for the others again |
| while its object is written | perhaps an object that the part does not name | the same |

A worker stops at its time limit, and when the bulk job is paused or cancelled. It also stops when the provider wants to
be left alone for longer. Then the part waits, and a message, the sweep of each minute, or the tick calls the next
worker. An item without an answer is tried for six hours.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from google.cloud.firestore import DELETE_FIELD
from structlog.contextvars import bind_contextvars

from nightshift.bulk import documents, messages, progress, rounds
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.bulk.requests import job_for, open_items
from nightshift.bulk.round import ItemEnd, Round
from nightshift.bulk.stored_rows import StoredRow
from nightshift.database import leases
from nightshift.database.commits import Undecided, attempts
from nightshift.database.leases import LeaseHolder
from nightshift.errors import LeaseHeld, TryLater
from nightshift.instant.answer import AnswerDelayed, attempt
from nightshift.instant.realtime import wait_seconds
from nightshift.jobs.job import Job
from nightshift.jobs.settlement import Completed, Failed
from nightshift.log import left_to_the_next_tick
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.day_sums import read_by_day

log = structlog.get_logger()

_CHECK_IN_SECONDS: Final = 3.0
# For a longer wait the part is given free.
_LONGEST_PAUSE_SECONDS: Final = 10.0
# As many as an instance has calls in flight.
_AT_ONCE: Final = 256
# An item's own lease is the part's: it never runs out by itself.
_NEVER: Final = timedelta(days=1)


async def call_for(runtime: Runtime, bulk: BulkJob, parts: list[BulkPart], time_limit: TimeLimit | None) -> None:
    """Call a worker for each part that waits, or whose worker has died.

    Args:
        time_limit: if no worker can be called, the parts are answered here, as long as this lasts; None = they wait.
    """
    now = runtime.now()
    due = [part for part in parts if _is_due(part, now)]
    under_way = sum(part.status == "running" for part in parts) - sum(part.status == "running" for part in due)
    numbers = [part.part for part in due[: max(0, runtime.settings.max_parts_in_flight - under_way)]]
    if not numbers or await messages.call_for_parts(runtime, bulk.bulk_id, numbers) or time_limit is None:
        return
    for number in numbers:
        if not time_limit.is_over:
            try:
                await answer_part(runtime, bulk.bulk_id, number, time_limit)
            except LeaseHeld:
                continue
            except TryLater as trouble:
                left_to_the_next_tick("answer_part", trouble, bulk_id=bulk.bulk_id)


async def call_for_all(runtime: Runtime) -> None:
    """Call workers for the parts of all bulk jobs that are answered in real time. Reads one document if none is."""
    for bulk in await documents.running_in_real_time(runtime):
        await call_for(runtime, bulk, await runtime.instance.bulk_parts.of(bulk), None)


async def release_dead(runtime: Runtime, part: BulkPart) -> None:
    """Let a part wait whose worker has died. Raises LeaseHeld while it lives."""
    snapshot = await documents.part_snapshot(runtime, part.bulk_id, part.part)
    if snapshot and documents.part_of(snapshot).status == "running":
        await leases.take(runtime, snapshot, is_stamped=True).write({"status": "waiting"}, release=True)


async def answer_part(runtime: Runtime, bulk_id: str, number: int, time_limit: TimeLimit) -> None:
    """Answer a part's open items, as many as the time allows; one that needs no answer is left alone.

    Raises:
        LeaseHeld: another worker is at it.
        TryLater: the rows, or the database, cannot be reached now.
    """
    bind_contextvars(bulk_id=bulk_id, part=number)
    bulk = await documents.read(runtime, bulk_id)
    snapshot = await documents.part_snapshot(runtime, bulk_id, number) if bulk else None
    if bulk is None or snapshot is None or bulk.speed != "instant" or not _is_wanted(bulk):
        return
    part = documents.part_of(snapshot)
    if part.status == "closed" or (part.next_attempt_at and part.next_attempt_at > runtime.now()):
        return
    holder = leases.take(runtime, snapshot, is_stamped=True)
    started_at = part.started_at or runtime.now()
    await holder.write({"status": "running", "startedAt": started_at, "nextAttemptAt": DELETE_FIELD})
    part = replace(part, started_at=started_at)
    async with holder.released_after():
        answering = _PartAnswering(runtime, bulk, part, holder)
        await answering.run(time_limit)
    if answering.is_out_of_time:
        await messages.call_for_parts(runtime, bulk_id, [number])


class _PartAnswering:
    """The answering of one part by one worker."""

    def __init__(self, runtime: Runtime, bulk: BulkJob, part: BulkPart, holder: LeaseHolder) -> None:
        self.is_out_of_time = False
        self._runtime = runtime
        self._bulk = bulk
        self._part = part
        self._holder = holder
        # What ended, or came back, since the last check-in.
        self._round = Round(part)
        self._ends: list[ItemEnd] = []
        self._cost_usd = part.cost_usd
        self._is_stopped = False
        # Until when the provider wants to be left alone.
        self._paused_until: datetime | None = None

    async def run(self, time_limit: TimeLimit) -> None:
        items = self._items(time_limit)
        one_at_a_time = asyncio.Lock()

        async def work() -> None:
            while True:
                async with one_at_a_time:
                    item = await anext(items, None)
                if item is None:
                    return
                await self._answer(*item)

        workers = [asyncio.create_task(work()) for _ in range(min(_AT_ONCE, self._part.rows))]
        working = asyncio.gather(*workers)
        try:
            while not working.done():
                await asyncio.wait([working], timeout=_CHECK_IN_SECONDS)
                if not working.done():
                    await self._check_in(is_last=False)
                    self._is_stopped = not await self._look_at_bulk_job() or self._is_stopped
            await working
        finally:
            working.cancel()
            for worker in workers:
                worker.cancel()
        await self._check_in(is_last=True)

    async def _items(self, time_limit: TimeLimit) -> AsyncIterator[tuple[int, StoredRow]]:
        """The open items, until the worker has to stop."""
        async for page in open_items(self._runtime, self._part):
            for index, row in page:
                self.is_out_of_time = time_limit.is_over
                if self._is_stopped or self._paused_until or self.is_out_of_time:
                    return
                yield index, row

    async def _answer(self, index: int, row: StoredRow) -> None:
        """Ask for one item until it ends, or has to wait for longer."""
        job = self._as_job(index, row)
        asked = 0
        while not (self._is_stopped or self._paused_until):
            asked += 1
            outcome = await attempt(self._runtime, replace(job, attempts=asked), is_repeated=False)
            if isinstance(outcome, Completed | Failed):
                if end := self._round.settle(index, outcome):
                    self._ends.append(end)
                return
            if outcome.job.invalid_answers > job.invalid_answers:
                self._round.note_attempts(index, outcome.job.invalid_answers)
            job = outcome.job
            seconds = _wait(outcome, asked)
            if seconds > _LONGEST_PAUSE_SECONDS:
                self._pause(outcome, seconds)
                return
            await asyncio.sleep(seconds)

    def _as_job(self, index: int, row: StoredRow) -> Job:
        job = job_for(self._bulk, self._part, index, row)
        return replace(
            job,
            batch_id=None,
            submitted_at=self._part.started_at,
            next_attempt_at=self._runtime.now() + _NEVER,
            invalid_answers=self._part.tries.attempts(index),
        )

    def _pause(self, outcome: AnswerDelayed, seconds: float) -> None:
        if self._paused_until is None:
            self._paused_until = self._runtime.now() + timedelta(seconds=seconds)
            tell = log.error if outcome.needs_operator else log.warning
            tell("bulk_part_pauses", waits_for=outcome.waits_for, reason=outcome.reason, seconds=round(seconds, 1))

    async def _look_at_bulk_job(self) -> bool:
        """Tell the bulk job's progress, if that is due. Returns whether its answers are still wanted."""
        runtime = self._runtime
        bulk = await documents.read(runtime, self._bulk.bulk_id)
        if bulk is None or not _is_wanted(bulk):
            return False
        if progress.is_due(bulk, runtime.now()):
            await progress.note(runtime, bulk, await runtime.instance.bulk_parts.of(bulk))
        return True

    async def _check_in(self, *, is_last: bool) -> None:
        """Put on record what ended since the last time; with `is_last`, give the part free."""
        runtime, round_, ends = self._runtime, self._round, self._ends
        if round_.is_empty and not is_last:
            return
        # From here on, what ends belongs to the next check-in.
        self._round, self._ends = Round(_after(round_)), []
        name = await rounds.write_ends(runtime, round_.part, ends) if ends else None
        self._cost_usd += round_.cost_usd
        fields = await self._fields(round_, name, is_last=is_last)
        async for _ in attempts():
            give_back = await rounds.refund(runtime, self._bulk, round_)
            try:
                await self._holder.write(fields, give_back, release=is_last)
            except Undecided:
                # The wallet was in other hands.
                continue
            break
        names = (*round_.part.rounds, *([name] if name else ()))
        days, uncounted = read_by_day(fields.get("days")), read_by_day(fields.get("uncountedDays"))
        self._round.part = replace(
            self._round.part,
            rounds=names,
            days=days or self._round.part.days,
            uncounted_days=uncounted or self._round.part.uncounted_days,
        )

    async def _fields(self, round_: Round, name: str | None, *, is_last: bool) -> dict[str, Any]:
        part = round_.part
        fields = await rounds.fields_of(self._runtime, round_, name)
        fields |= rounds.counted(self._runtime, self._bulk, round_)
        fields["costUsd"] = self._cost_usd
        if round_.is_empty:
            # Nothing has changed but that its worker leaves it.
            fields = {"status": fields["status"]}
        if not is_last and fields["status"] == "waiting":
            fields["status"] = "running"
        if is_last and self._paused_until and fields["status"] == "waiting":
            fields["nextAttemptAt"] = self._paused_until
        if fields["status"] == "closed":
            log.info("bulk_part_closed", bulk_id=part.bulk_id, part=part.part, **round_.counts.fields())
        return fields


def _after(round_: Round) -> BulkPart:
    """The part as the round leaves it, to begin the next one."""
    part = round_.part
    return replace(
        part,
        states=round_.states,
        tries=round_.tries,
        counts=round_.counts,
        round=part.round + 1,
        uncounted_usd=0.0 if round_.refunded else part.uncounted_usd + round_.retried_usd,
    )


def _is_wanted(bulk: BulkJob) -> bool:
    return bulk.status == "running" and not bulk.is_cancelling and bulk.wish != "pause"


def _is_due(part: BulkPart, now: datetime) -> bool:
    """Whether a worker may take it: it waits, or its worker's lease is over."""
    if part.status == "waiting":
        return part.next_attempt_at is None or part.next_attempt_at <= now
    return part.status == "running" and part.batch_id is None and not part.is_held(now)


def _wait(outcome: AnswerDelayed, asked: int) -> float:
    jitter = random.random()  # noqa: S311 - jitter is no secret
    return wait_seconds(outcome.waits_for, asked, outcome.retry_after_seconds, jitter)
