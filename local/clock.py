"""Cloud Scheduler's stand-in: publishes to a job's topic when it is due, on a clock that can run fast.

Virtual time starts at the real time and runs `speed` virtual seconds per second: with 200, a schedule of
every ten minutes comes every three seconds. Like Cloud Scheduler, it does not pile up: fire times that passed
while the publishing took long are skipped, and a publish that fails is reported and not repeated, since the
next tick does the same work.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from croniter import croniter

from local.errors import StackError
from scheduler.declared import MESSAGE, Declared, ScheduledJob


class Clock:
    """Runs schedules; `publish(topic, body)` sends one message."""

    def __init__(
        self,
        schedules: Declared,
        publish: Callable[[str, bytes], Awaitable[None]],
        *,
        speed: float = 1.0,
        say: Callable[[str], None] = print,
        starts_at: datetime | None = None,
    ) -> None:
        if speed <= 0:
            raise StackError(f"The clock's speed must be above 0, not {speed}.")
        self._schedules = schedules
        self._publish = publish
        self._speed = speed
        self._say = say
        self._virtual_start = (starts_at or datetime.now(UTC)).astimezone(UTC)
        self._real_start = time.monotonic()

    def now(self) -> datetime:
        """The virtual time, in UTC."""
        elapsed_seconds = (time.monotonic() - self._real_start) * self._speed
        return self._virtual_start + timedelta(seconds=elapsed_seconds)

    def next_fire(self, job: ScheduledJob, after: datetime) -> datetime:
        """The first time strictly after `after` at which the job is due, in UTC."""
        local = after.astimezone(self._schedules.time_zone)
        due: datetime = croniter(job.schedule, local).get_next(datetime)
        return due.astimezone(UTC)

    def seconds_until(self, name: str) -> float:
        """In how many seconds, of real time, the job of this name is due next."""
        (job,) = (job for job in self._schedules.jobs if job.name == name)
        now = self.now()
        return (self.next_fire(job, now) - now).total_seconds() / self._speed

    async def run(self) -> None:
        """Fire until cancelled."""
        async with asyncio.TaskGroup() as group:
            for job in self._schedules.jobs:
                group.create_task(self._run_job(job))

    async def _run_job(self, job: ScheduledJob) -> None:
        due = self.next_fire(job, self.now())
        while True:
            await self._reach(due)
            try:
                await self._publish(job.topic, MESSAGE)
            except StackError as error:
                self._say(f"{job.name} was due and could not be published. {error}")
            due = self.next_fire(job, max(due, self.now()))

    async def _reach(self, due: datetime) -> None:
        wait_seconds = (due - self.now()).total_seconds() / self._speed
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)
            # A sleep may end a little early, and a fast clock magnifies that.
            await self._reach(due)
