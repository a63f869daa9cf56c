"""Jobs that are answered in real time: into one instance's hands, and out of them again to wait.

Each of these is one write of one job, under its update time, and writes a `nextAttemptAt` that no other process writes:
the time in microseconds at which this was asked for, and some seconds. So after a lost answer the job itself says
whether it was this write that landed. See `instant/realtime.py` for what the fields mean.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from google.cloud.firestore import DELETE_FIELD, FieldFilter

from nightshift.database.collections import JOBS
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.fields import time_or_none
from nightshift.database.reads import fetch
from nightshift.instant.realtime import Taken, WaitsFor
from nightshift.jobs import transitions
from nightshift.jobs.documents import FORMER_BATCH_IDS, job_of, jobs_where
from nightshift.jobs.job import Job
from nightshift.jobs.settlements import batches_left
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.status import COMPLETED, PROCESSING, QUEUED

_PAGE: Final = 300


def lease_end(runtime: Runtime) -> datetime:
    """When the lease of an instance that takes a job now ends."""
    return runtime.now() + timedelta(seconds=runtime.settings.lease_seconds)


async def due(runtime: Runtime) -> AsyncIterator[Job]:
    """The jobs that any instance may take: their wait is over, or their instance died; the longest due first."""
    query = jobs_where(runtime, status=PROCESSING).where(filter=FieldFilter("nextAttemptAt", "<=", runtime.now()))
    async for job in _paged(runtime, query.order_by("nextAttemptAt")):
        if job.is_realtime:
            yield job


async def batch_until(runtime: Runtime, latest: datetime) -> AsyncIterator[Job]:
    """The jobs of the batch lane whose deadline is at `latest` or before, the nearest first."""
    async for job in _paged(runtime, _batch_until(runtime, latest)):
        yield job


async def is_any_batch_until(runtime: Runtime, latest: datetime) -> bool:
    """Whether there are such jobs."""
    return bool(await fetch(runtime, _batch_until(runtime, latest).limit(1)))


async def has_answered_since(runtime: Runtime, lane: Lane, since: datetime) -> bool:
    """Whether a job of the lane is completed that was asked for after `since`; a page of the jobs since then."""
    query = jobs_where(runtime, status=COMPLETED).where(filter=FieldFilter("submittedAt", ">", since))
    query = query.order_by("submittedAt").select(("lane",)).limit(_PAGE)
    return any((snapshot.to_dict() or {}).get("lane") == str(lane) for snapshot in await fetch(runtime, query))


def _batch_until(runtime: Runtime, latest: datetime) -> Any:
    jobs = jobs_where(runtime).where(filter=FieldFilter("status", "in", [QUEUED, PROCESSING]))
    return jobs.where(filter=FieldFilter("batchUntil", "<=", latest)).order_by("batchUntil")


async def _paged(runtime: Runtime, query: Any) -> AsyncIterator[Job]:
    last = None
    while True:
        page = await fetch(runtime, (query.start_after(last) if last else query).limit(_PAGE))
        for snapshot in page:
            yield job_of(snapshot)
        if len(page) < _PAGE:
            return
        last = page[-1]


async def take_up(runtime: Runtime, job: Job) -> Taken | None:
    """Take a due job; None if another instance took it first."""
    taken = await _move(runtime, job, lease_end(runtime), {"attempts": job.attempts + 1, "waitsFor": DELETE_FIELD})
    if taken is None:
        return None
    mine = replace(taken, attempts=job.attempts + 1, waits_for=None)
    return Taken(job=mine, is_repeated=job.waits_for is None)


async def take_out(runtime: Runtime, job: Job) -> Taken | None:
    """Take a job out of the batch lane, whether it is queued or in a batch; None if it has moved on.

    Its line in the batch, if it has one, comes too late from now on.
    """
    now = runtime.now()
    changes = {
        "status": PROCESSING,
        "batchId": DELETE_FIELD,
        "batchUntil": DELETE_FIELD,
        FORMER_BATCH_IDS: batches_left(job),
        "attempts": job.attempts + 1,
        "submittedAt": now,
    }
    taken = await _move(runtime, job, lease_end(runtime), changes)
    if taken is None:
        return None
    mine = replace(taken, status=PROCESSING, batch_id=None, attempts=job.attempts + 1, submitted_at=now)
    return Taken(job=mine)


async def renew(runtime: Runtime, job: Job) -> Job | None:
    """Keep a job for the length of another lease; None if another instance has taken it."""
    return await _move(runtime, job, lease_end(runtime), {})


async def put_off(runtime: Runtime, job: Job, until: datetime, waits_for: WaitsFor) -> None:
    """Let a job wait; nothing happens if another instance has taken it."""
    changes: dict[str, Any] = {"waitsFor": waits_for, "attempts": job.attempts, "lane": job.lane}
    if job.invalid_answers:
        changes["invalidAnswers"] = job.invalid_answers
    if job.cost_usd:
        changes["costUsd"] = job.cost_usd
    await _move(runtime, job, until, changes)


async def _move(runtime: Runtime, job: Job, next_attempt_at: datetime, changes: Mapping[str, Any]) -> Job | None:
    """Write `nextAttemptAt` and other changes; returns the job with its new times, or None if it was not as read."""
    ref = runtime.firestore.collection(JOBS).document(job.job_id)
    async for _ in attempts():
        commit = Commit(runtime)
        moved = {**changes, "nextAttemptAt": next_attempt_at}
        transitions.touch(runtime, commit, job.job_id, job.update_time, moved)
        try:
            update_time = await commit.send()
        except Undecided:
            stored = await ref.get(field_paths=("nextAttemptAt",), **READ)
            if stored.exists and stored.update_time == job.update_time:
                continue
            if time_or_none((stored.to_dict() or {}).get("nextAttemptAt")) != next_attempt_at:
                return None
            update_time = stored.update_time
        return replace(job, update_time=update_time, next_attempt_at=next_attempt_at)
    raise AssertionError("attempts() ends by raising")
