"""A job that is answered in real time: when it is asked for, and for how long it is tried.

Such a job is `processing` and in no batch. Its field `nextAttemptAt` is both its lease and its alarm clock:

| `waitsFor` | until `nextAttemptAt` | from then on |
|---|---|---|
| missing | an instance has it, and asks the provider | it counts as dead; the next sweep or delivery takes it |
| present | it waits, and no instance has it | it is due; the next sweep or delivery takes it |

It is taken by a write under its update time that pushes `nextAttemptAt` on. So of many instances one gets it. An
instance that slept past its lease finds the update time moved, and changes nothing.

Waits grow with the attempts: 1, 2, 4, 8, 16, 32, then 60 s where the provider was asked too often, and twice that for
any other trouble. Each varies by a quarter, so that what failed together does not come again together. What the
provider asks for with Retry-After holds instead, up to a bound.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from nightshift.jobs.job import Job

# Why a job waits, as it stands in its document and in the log.
WaitsFor = Literal["rate_limit", "provider", "operator", "valid_answer", "image", "budget", "share", "rescue"]

# A job that has no answer by then fails, and its tokens come back.
GIVEN_UP_AFTER: Final = timedelta(hours=6)
_LONGEST_RETRY_AFTER_SECONDS: Final = 900.0
# How much a wait varies, to both sides; one that the provider asked for only grows.
_JITTER: Final = 0.25


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A job that this instance has taken, and is to answer now."""

    job: Job
    # Another instance had it and died without a record: the provider may have answered already.
    is_repeated: bool = False


def wait_seconds(waits_for: WaitsFor, attempts: int, retry_after_seconds: float | None, jitter: float) -> float:
    """How long to wait before the provider is asked again.

    Args:
        attempts: how often it was asked, at least 1.
        retry_after_seconds: what it asked for, if anything.
        jitter: a random number from 0 to 1.
    """
    if retry_after_seconds is not None:
        return min(retry_after_seconds, _LONGEST_RETRY_AFTER_SECONDS) * (1 + _JITTER * jitter)
    first, longest = (1.0, 60.0) if waits_for == "rate_limit" else (2.0, 120.0)
    # Beyond the tenth attempt it is the longest anyway, and a power of it would overflow some day.
    wait = min(longest, first * 2.0 ** min(max(0, attempts - 1), 10))
    return wait * (1 - _JITTER + 2 * _JITTER * jitter)


def gives_up_at(job: Job) -> datetime:
    """When a job that is answered in real time fails for want of an answer."""
    return (job.submitted_at or job.update_time) + GIVEN_UP_AFTER


def is_under_way(job: Job, now: datetime) -> bool:
    """Whether an instance answers for the job: it is not to be taken from it yet."""
    return job.is_realtime and job.waits_for is None and not is_due(job, now)


def is_due(job: Job, now: datetime) -> bool:
    """Whether any instance may take the job now."""
    return job.is_realtime and job.next_attempt_at is not None and job.next_attempt_at <= now
