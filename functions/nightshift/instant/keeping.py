"""Keeping a job while this instance works for it: its lease is renewed, however long it waits for its turn.

A renewal is one write under the job's update time, so whatever follows rests on `KeptJob.job`, the job as the last one
left it. If another instance has taken the job, no renewal succeeds, and the next `keep` raises LeaseHeld.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from nightshift.errors import LeaseHeld, TryLater
from nightshift.instant import transitions as realtime
from nightshift.jobs.job import Job
from nightshift.runtime import Runtime


class KeptJob:
    """A job that this instance has."""

    def __init__(self, runtime: Runtime, job: Job) -> None:
        self.job = job
        self._runtime = runtime
        self._one_at_a_time = asyncio.Lock()
        self._is_lost = False

    async def keep(self) -> None:
        """Renew the job's lease. Raises LeaseHeld if another instance has taken the job."""
        async with self._one_at_a_time:
            renewed = None if self._is_lost else await realtime.renew(self._runtime, self.job)
            if renewed is None:
                self._is_lost = True
                raise LeaseHeld("another process has taken the job")
            self.job = renewed

    @property
    def _has_lease(self) -> bool:
        """Whether the job has one; the items of a bulk job have none, since their part has."""
        longest = timedelta(seconds=2 * self._runtime.settings.lease_seconds)
        ends_at = self.job.next_attempt_at
        return ends_at is not None and ends_at <= self._runtime.now() + longest

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(self._runtime.settings.lease_seconds / 3)
            if not self._has_lease:
                return
            try:
                await self.keep()
            except LeaseHeld:
                return
            except TryLater:
                # The database did not answer; there is time for another try.
                continue

    async def _end(self, renewing: asyncio.Task[None]) -> None:
        # A renewal that is under way ends first: what was written must be known.
        async with self._one_at_a_time:
            renewing.cancel()


@asynccontextmanager
async def kept(runtime: Runtime, job: Job) -> AsyncIterator[KeptJob]:
    """Renew a job's lease while the body runs."""
    keeping = KeptJob(runtime, job)
    renewing = asyncio.create_task(keeping._keep_on())
    try:
        yield keeping
    finally:
        await keeping._end(renewing)
