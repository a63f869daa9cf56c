"""`list`: the schedules that are declared or there, their state, and when they ran and will run."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from scheduler.declared import Declared

if TYPE_CHECKING:
    from scheduler.cloud import SchedulerClients

# The state of a schedule that is declared and was never synced.
MISSING: Final = "MISSING"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One schedule. Its runs are in UTC; `last_run` is None before the first, `next_run` while it is paused."""

    name: str
    schedule: str
    time_zone: str
    topic: str
    state: str
    last_run: datetime | None = None
    next_run: datetime | None = None


async def listing(cloud: "SchedulerClients", declared: Declared) -> list[Listed]:
    """What is there, by name, then what is declared and missing."""
    from scheduler.schedules import ours

    there = await ours(cloud)
    found = [
        Listed(
            name=name,
            schedule=job.schedule,
            time_zone=job.time_zone,
            topic=job.pubsub_target.topic_name.rpartition("/")[2],
            state=job.state.name,
            last_run=_time(job.last_attempt_time),
            next_run=_time(job.schedule_time),
        )
        for name, job in sorted(there.items())
    ]
    missing = [
        Listed(
            name=job.name,
            schedule=job.schedule,
            time_zone=declared.time_zone.key,
            topic=job.topic,
            state=MISSING,
        )
        for job in declared.jobs
        if job.name not in there
    ]
    return found + missing


def _time(stamp: Any) -> datetime | None:
    return datetime.fromtimestamp(stamp.timestamp(), UTC) if stamp else None
