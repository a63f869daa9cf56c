"""A sweep: every job that is due in real time is taken, and answered. It comes every minute, and with every tick.

Two kinds of job are due: those of the batch lane whose deadline is near, and those that waited, or whose holder died.
Each is taken by one write before it is asked for, so sweeps at the same time share the jobs between them. One that a
sweep takes and then does not answer is due again after its lease.

A job that is taken out of a batch leaves the batch's own steps nothing to do: its claim and the settling of its line
rest on the job's update time. A batch that is assembled anew does not find it, and a line that comes later is passed
over.

A sweep over nothing costs two reads.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from nightshift.duty import run_isolated
from nightshift.instant import latencies
from nightshift.instant import transitions as realtime
from nightshift.instant.answer import answer
from nightshift.instant.deadline import LONGEST, margin
from nightshift.instant.realtime import Taken
from nightshift.jobs.job import Job
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.lane import Lane

log = structlog.get_logger()

# The next sweep comes a minute after this one, and it need not find this one's jobs under way.
SWEEP_SECONDS: Final = 50.0
_JOBS_AT_ONCE: Final = 64


@dataclass(frozen=True, kw_only=True)
class _Due:
    """A job that is due, and how it is taken."""

    job_id: str
    take: Callable[[], Awaitable[Taken | None]]


async def sweep(runtime: Runtime) -> None:
    """Take and answer whatever is due, as much as the time of a sweep allows."""
    budget = runtime.time_limit(min(SWEEP_SECONDS, runtime.settings.tick_seconds))
    await _Sweep(runtime).run(budget)


class _Sweep:
    """One sweep."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._at_once = asyncio.Semaphore(_JOBS_AT_ONCE)
        # How long the jobs took that it answered, by lane.
        self._seen_seconds: defaultdict[Lane, list[float]] = defaultdict(list)

    async def run(self, time_limit: TimeLimit) -> None:
        under_way: set[asyncio.Task[bool]] = set()
        try:
            async with aclosing(self._due()) as found:
                async for due in found:
                    await self._at_once.acquire()
                    if time_limit.is_over:
                        log.warning("sweep_out_of_time")
                        break
                    answering = run_isolated("answer", self._answer(due), job_id=due.job_id)
                    task = asyncio.create_task(answering)
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
        finally:
            await asyncio.gather(*under_way)
        for lane, seen_seconds in self._seen_seconds.items():
            await run_isolated("learn", latencies.learn(self._runtime, lane, seen_seconds), lane=str(lane))

    async def _due(self) -> AsyncGenerator[_Due, None]:
        runtime = self._runtime
        async for job in self._near_their_deadline():
            yield _Due(job_id=job.job_id, take=partial(self._take_out, job))
        async for job in realtime.due(runtime):
            yield _Due(job_id=job.job_id, take=partial(realtime.take_up, runtime, job))

    async def _near_their_deadline(self) -> AsyncGenerator[Job, None]:
        runtime, now = self._runtime, self._runtime.now()
        # Most of the time no deadline is near, and nothing more is read.
        if not await realtime.is_any_batch_until(runtime, now + LONGEST):
            return
        margins = {lane: margin(seconds) for lane, seconds in (await latencies.read_all(runtime)).items()}
        widest = max(margins.values(), default=margin(0))
        async for job in realtime.batch_until(runtime, now + widest):
            if job.batch_until and job.batch_until <= now + margins.get(str(job.lane), margin(0)):
                yield job

    async def _take_out(self, job: Job) -> Taken | None:
        taken = await realtime.take_out(self._runtime, job)
        if taken:
            log.info("job_taken_out", job_id=job.job_id, batch_id=job.batch_id, lane=job.lane)
        return taken

    async def _answer(self, due: _Due) -> None:
        try:
            taken = await due.take()
            if taken and await answer(self._runtime, taken):
                lane, began_at = Lane.parse(taken.job.lane), taken.job.submitted_at or taken.job.update_time
                self._seen_seconds[lane].append((self._runtime.now() - began_at).total_seconds())
        finally:
            self._at_once.release()
