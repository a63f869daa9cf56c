"""The local clock: when it fires, how fast, and what it says about a file it cannot read."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from local.clock import Clock
from local.errors import StackError
from local.part import ROOT
from local.schedules import read_schedules
from scheduler.declared import ScheduledJob

EVERY_TEN_MINUTES = """
time_zone = "Asia/Kolkata"

[[job]]
name = "tick"
description = "One tick."
schedule = "*/10 * * * *"
topic = "nightshift-tick"
"""


async def ignore(_topic: str, _body: bytes) -> None:
    """Publishes nothing."""


def clock_of(tmp_path: Path, text: str = EVERY_TEN_MINUTES, speed: float = 1.0) -> Clock:
    path = tmp_path / "jobs.toml"
    path.write_text(text)
    return Clock(read_schedules(path), ignore, speed=speed)


def test_the_repositorys_own_schedules_are_readable() -> None:
    """The tick comes every ten minutes, as docs/CONTRACT.md says."""
    schedules = read_schedules(ROOT / "scheduler" / "jobs.toml")

    assert [(job.topic, job.schedule) for job in schedules.jobs] == [("nightshift-tick", "*/10 * * * *")]


def test_a_schedule_is_read_in_its_time_zone(tmp_path: Path) -> None:
    """Nine in the morning in Kolkata is 03:30 UTC."""
    path = tmp_path / "jobs.toml"
    path.write_text(EVERY_TEN_MINUTES.replace("*/10 * * * *", "0 9 * * *"))
    schedules = read_schedules(path)
    clock = Clock(schedules, ignore)

    due = clock.next_fire(schedules.jobs[0], datetime(2025, 6, 19, 0, 0, tzinfo=UTC))

    assert due == datetime(2025, 6, 19, 3, 30, tzinfo=UTC)


def test_the_next_time_is_strictly_later(tmp_path: Path) -> None:
    """A job that has just fired is not due again."""
    job = ScheduledJob(name="tick", description="d", schedule="*/10 * * * *", topic="t")
    fired_at = datetime(2025, 6, 19, 12, 10, tzinfo=UTC)

    assert clock_of(tmp_path).next_fire(job, fired_at) == fired_at + timedelta(minutes=10)


async def test_a_fast_clock_fires_as_often_as_its_speed_says(tmp_path: Path) -> None:
    """At 2000 virtual seconds per second, ten minutes are 0.3 seconds."""
    path = tmp_path / "jobs.toml"
    path.write_text(EVERY_TEN_MINUTES)
    fired_at: list[float] = []

    async def publish(topic: str, body: bytes) -> None:
        assert (topic, body) == ("nightshift-tick", b"{}")
        fired_at.append(time.monotonic())

    starts_at = datetime(2025, 6, 19, 12, 0, 0, tzinfo=UTC)
    clock = Clock(read_schedules(path), publish, speed=2000, starts_at=starts_at)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clock.run(), timeout=1.35)

    gaps = [later - earlier for earlier, later in pairwise(fired_at)]
    assert len(fired_at) == 4
    assert all(0.2 < gap < 0.4 for gap in gaps)


async def test_a_tick_that_cannot_be_published_is_told_and_the_next_one_comes(tmp_path: Path) -> None:
    """A tick repeats the work of the one before, so a lost one is not made up for."""
    path = tmp_path / "jobs.toml"
    path.write_text(EVERY_TEN_MINUTES)
    told: list[str] = []
    tries: list[float] = []

    async def refuse(_topic: str, _body: bytes) -> None:
        tries.append(time.monotonic())
        raise StackError("The emulator is gone.")

    clock = Clock(read_schedules(path), refuse, speed=6000, say=told.append)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(clock.run(), timeout=0.35)

    assert len(told) == len(tries) >= 2
    assert told[0] == "tick was due and could not be published. The emulator is gone."


def test_a_clock_cannot_stand_still(tmp_path: Path) -> None:
    """A speed of zero would mean that nothing ever happens."""
    with pytest.raises(StackError, match="speed must be above 0"):
        clock_of(tmp_path, speed=0)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("time_zone = ", "TOML"),
        (EVERY_TEN_MINUTES.replace("Asia/Kolkata", "Asia/Atlantis"), "`time_zone`"),
        (EVERY_TEN_MINUTES.replace('time_zone = "Asia/Kolkata"', ""), "`time_zone`"),
        ('time_zone = "UTC"', "`job`"),
        ('time_zone = "UTC"\njob = 3', "`job`"),
        ('time_zone = "UTC"\njob = [3]', r"`job\[0\]`"),
        ('zone = "UTC"\n' + EVERY_TEN_MINUTES, "`zone`"),
        (EVERY_TEN_MINUTES.replace("topic", "queue"), r"`job\[0\].queue`"),
        (EVERY_TEN_MINUTES.replace('topic = "nightshift-tick"', ""), r"`job\[0\].topic`"),
        (EVERY_TEN_MINUTES.replace('"tick"', "7"), r"`job\[0\].name`"),
        (EVERY_TEN_MINUTES.replace("*/10 * * * *", "every day"), r"`job\[0\].schedule`"),
        (EVERY_TEN_MINUTES.replace("*/10 * * * *", "*/10 * * * * *"), r"`job\[0\].schedule`"),
    ],
)
def test_a_malformed_file_is_an_error_that_names_the_key(tmp_path: Path, wrong: str, named: str) -> None:
    """The sentence names the file and the key, so that nobody has to search."""
    with pytest.raises(StackError, match=rf"jobs\.toml.*{named}"):
        clock_of(tmp_path, wrong)
