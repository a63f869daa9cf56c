"""Retry: `failed` or `cancelled` → `queued`, `processing` in real time, or `created` and admitted anew.

It is an operator's wish. A job that was charged got its tokens back, and starts again at once. One that was refused
before it was charged goes the whole way again, and is charged if it is admitted now. A crash before that leaves it
`created`, for the tick.

What starts in real time is due at once, and the next sweep or tick answers it: an instant job, and a batch job that its
deadline has taken out of the batch lane, or would. A deadline that is over is kept as well as can be. One that is still
to come holds as before.

Neither before its batch is closed: a cancelled job's line may still be at work at the provider, and a job is in one
live batch at most.
"""

import structlog

from nightshift.admission import retries
from nightshift.admission.admit import rescue_one
from nightshift.admission.charges import Start
from nightshift.batches import documents as batches
from nightshift.database.commits import Undecided, attempts
from nightshift.database.fields import time_or_none
from nightshift.errors import JobRefused
from nightshift.jobs import created
from nightshift.jobs.created import JobDocument
from nightshift.runtime import Runtime
from nightshift.values.status import CANCELLED, CREATED, FAILED, Status

log = structlog.get_logger()


async def retriable(runtime: Runtime, job_id: str) -> JobDocument:
    """The job, if it can run again as of now. Reads 5 documents. Raises as `retry`, and changes nothing."""
    job = await _ended(runtime, job_id)
    if job.job.lane:
        await retries.check_money(runtime, job)
    return job


async def retry(runtime: Runtime, job_id: str, *, admits: bool = True) -> str:
    """Run a job again that failed or was cancelled; returns its status then.

    Args:
        admits: admit a job at once that was never charged; else it is left `created`, for the next tick.

    Raises:
        JobRefused: it cannot be run again; the message says why.
        TryLater: the database does not answer, or not clearly.
    """
    job: JobDocument | None = await _ended(runtime, job_id)
    status: Status = CREATED
    async for _ in attempts():
        if job is None or not _has_failed(job):
            # It was run again, by a commit of ours whose answer was lost or by another process.
            break
        try:
            if job.job.lane:
                start = _start(runtime, job)
                await retries.start(runtime, job, start)
                status = start.status
            else:
                await retries.create(runtime, job)
        except Undecided:
            job = await created.read(runtime, job_id)
        else:
            log.info("job_retried", job_id=job_id)
            if status != CREATED:
                return status
            break
    now = await created.read(runtime, job_id)
    if admits and now and now.fields.get("status") == CREATED:
        # Not into this process's hands: it answers nothing.
        await rescue_one(runtime, now)
        now = await created.read(runtime, job_id)
    return str(now.fields.get("status")) if now else "deleted"


async def _ended(runtime: Runtime, job_id: str) -> JobDocument:
    job = await created.read(runtime, job_id)
    if job is None:
        raise JobRefused("cannot_retry", "There is no such job.")
    if not _has_failed(job):
        raise JobRefused("cannot_retry", f"It is {job.fields.get('status')}; only failed and cancelled jobs run again.")
    batch_id = job.job.batch_id
    if batch_id and await batches.find(runtime, batch_id):
        raise JobRefused("cannot_retry", f"Its batch {batch_id} is not closed yet; run it again then.")
    return job


def _start(runtime: Runtime, job: JobDocument) -> Start:
    now, batch_until = runtime.now(), job.job.batch_until
    has_deadline = time_or_none(job.fields.get("deadline")) is not None
    # A job that was taken out has a deadline, and `batchUntil` no more.
    is_late = has_deadline and (batch_until is None or batch_until <= now)
    is_realtime = job.fields.get("speed") == "instant" or is_late
    return Start(next_attempt_at=now) if is_realtime else Start(batch_until=batch_until)


def _has_failed(job: JobDocument) -> bool:
    return job.fields.get("status") in {FAILED, CANCELLED}
