"""The local clock: when it fires, and how fast."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from local.clock import Clock
from local.errors import StackError
from scheduler import declared as functions_schedules
from scheduler.declared import Declared, ScheduledJob, Topic
from tests.support.patience import patience

TICK = ScheduledJob(name="tick", description="One tick.", schedule="*/10 * * * *", topic="nightshift-tick")


async def ignore(_topic: str, _body: bytes) -> None:
    """Publishes nothing."""


def declared(job: ScheduledJob = TICK) -> Declared:
    """One schedule, in Kolkata."""
    return Declared(time_zone=ZoneInfo("Asia/Kolkata"), jobs=(job,), topics=(Topic(name=job.topic),))


def test_a_schedule_is_read_in_its_time_zone() -> None:
    """Nine in the morning in Kolkata is 03:30 UTC."""
    schedules = declared(replace(TICK, schedule="0 9 * * *"))
    clock = Clock(schedules, ignore)

    due = clock.next_fire(schedules.jobs[0], datetime(2025, 6, 19, 0, 0, tzinfo=UTC))

    assert due == datetime(2025, 6, 19, 3, 30, tzinfo=UTC)


def test_the_next_time_is_strictly_later() -> None:
    """A job that has just fired is not due again."""
    fired_at = datetime(2025, 6, 19, 12, 10, tzinfo=UTC)

    assert Clock(declared(), ignore).next_fire(TICK, fired_at) == fired_at + timedelta(minutes=10)


def test_it_says_when_a_job_is_due_by_that_jobs_schedule_alone() -> None:
    """Another job of the same clock is due each minute."""
    clock = Clock(
        functions_schedules.declared(), ignore, speed=0.001, starts_at=datetime(2026, 6, 1, 12, 3, 30, tzinfo=UTC)
    )
    assert clock.seconds_until("processBatchJobs") > 60_000 >= clock.seconds_until("answerInstantJobs")


def test_a_clock_goes_as_fast_as_its_speed_says() -> None:
    """At 2000 virtual seconds per second, whatever time passes between two looks is passed 2000 times."""
    starts_at = datetime(2025, 6, 19, 12, 0, 0, tzinfo=UTC)
    before = time.monotonic()
    clock = Clock(declared(), ignore, speed=2000, starts_at=starts_at)
    begun = time.monotonic()
    time.sleep(0.01)

    looked = time.monotonic()
    passed_seconds = (clock.now() - starts_at).total_seconds()

    a_microsecond = 1e-6
    assert 2000 * (looked - begun) - a_microsecond <= passed_seconds
    assert passed_seconds <= 2000 * (time.monotonic() - before) + a_microsecond


async def test_a_fast_clock_fires_once_when_a_schedule_is_due() -> None:
    """Ten virtual minutes are 0.3 seconds: never before they are over, and once for each ten minutes at most."""
    fired_at: list[datetime] = []
    four = asyncio.Event()

    async def publish(topic: str, body: bytes) -> None:
        assert (topic, body) == ("nightshift-tick", b"{}")
        fired_at.append(clock.now())
        if len(fired_at) == 4:
            four.set()

    starts_at = datetime(2025, 6, 19, 12, 0, 0, tzinfo=UTC)
    clock = Clock(declared(), publish, speed=2000, starts_at=starts_at)
    await run_until(four, clock)

    tens = [(fired - starts_at) // timedelta(minutes=10) for fired in fired_at]
    assert tens[0] >= 1
    # A machine that stands still for ten virtual minutes skips a time, as Cloud Scheduler does.
    assert all(earlier < later for earlier, later in pairwise(tens))


async def run_until(happened: asyncio.Event, clock: Clock) -> None:
    """Run the clock until something has happened."""
    running = asyncio.create_task(clock.run())
    try:
        async with patience():
            await happened.wait()
    finally:
        running.cancel()


async def test_a_tick_that_cannot_be_published_is_reported_and_the_next_one_comes() -> None:
    """A tick repeats the work of the one before, so a lost one is not made up for."""
    told: list[str] = []
    tries: list[datetime] = []
    third_try = asyncio.Event()

    async def refuse(_topic: str, _body: bytes) -> None:
        tries.append(clock.now())
        if len(tries) == 3:
            third_try.set()
        raise StackError("The emulator is gone.")

    clock = Clock(declared(), refuse, speed=6000, say=told.append)
    await run_until(third_try, clock)

    assert told[:2] == ["tick was due and could not be published. The emulator is gone."] * 2


def test_a_clock_cannot_stand_still() -> None:
    """A speed of zero would mean that nothing ever happens."""
    with pytest.raises(StackError, match="speed must be above 0"):
        Clock(declared(), ignore, speed=0)
