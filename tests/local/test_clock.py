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
from scheduler.declared import Declared, ScheduledJob, Topic

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


async def test_a_fast_clock_fires_as_often_as_its_speed_says() -> None:
    """At 2000 virtual seconds per second, ten minutes are 0.3 seconds."""
    fired_at: list[float] = []

    async def publish(topic: str, body: bytes) -> None:
        assert (topic, body) == ("nightshift-tick", b"{}")
        fired_at.append(time.monotonic())

    starts_at = datetime(2025, 6, 19, 12, 0, 0, tzinfo=UTC)
    clock = Clock(declared(), publish, speed=2000, starts_at=starts_at)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clock.run(), timeout=1.35)

    gaps = [later - earlier for earlier, later in pairwise(fired_at)]
    assert len(fired_at) == 4
    assert all(0.2 < gap < 0.4 for gap in gaps)


async def test_a_tick_that_cannot_be_published_is_told_and_the_next_one_comes() -> None:
    """A tick repeats the work of the one before, so a lost one is not made up for."""
    told: list[str] = []
    tries: list[float] = []

    async def refuse(_topic: str, _body: bytes) -> None:
        tries.append(time.monotonic())
        raise StackError("The emulator is gone.")

    clock = Clock(declared(), refuse, speed=6000, say=told.append)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clock.run(), timeout=0.35)

    assert len(told) == len(tries) >= 2
    assert told[0] == "tick was due and could not be published. The emulator is gone."


def test_a_clock_cannot_stand_still() -> None:
    """A speed of zero would mean that nothing ever happens."""
    with pytest.raises(StackError, match="speed must be above 0"):
        Clock(declared(), ignore, speed=0)
