"""Retry: `failed` or `cancelled` → `queued`, or `created` and admitted anew, on an operator's wish.

A job that was charged got its tokens back, and is queued again at once. One that was refused before it was charged
goes the whole way again, and is charged if it is admitted now; who dies before that leaves it `created`, for the tick.

Neither before its batch is closed: a cancelled job's line may still be at work at the provider, and a job is in one
live batch at most.
"""

import structlog

from nightshift.journey.admit import admit
from nightshift.model.errors import JobRefused
from nightshift.model.job import CANCELLED, FAILED
from nightshift.runtime import Runtime
from nightshift.store import admissions, batches, retries
from nightshift.store.admissions import Written
from nightshift.store.commits import Undecided, attempts

log = structlog.get_logger()


async def retry(runtime: Runtime, job_id: str) -> str:
    """Run a job again that failed or was cancelled; returns its status then.

    Raises:
        JobRefused: it cannot be run again; the message says why.
        TryLater: the database does not answer, or not clearly.
    """
    job = await admissions.read(runtime, job_id)
    if job is None:
        raise JobRefused("cannot_retry", "There is no such job.")
    if not _has_failed(job):
        raise JobRefused("cannot_retry", f"It is {job.fields.get('status')}; only failed and cancelled jobs run again.")
    batch_id = job.job.batch_id
    if batch_id and await batches.find(runtime, batch_id):
        raise JobRefused("cannot_retry", f"Its batch {batch_id} is not closed yet; run it again then.")
    async for _ in attempts():
        if job is None or not _has_failed(job):
            # It was run again, by a commit of ours whose answer was lost or by somebody else.
            break
        try:
            await (retries.queue if job.job.lane else retries.create)(runtime, job)
        except Undecided:
            job = await admissions.read(runtime, job_id)
        else:
            log.info("job_retried", job_id=job_id)
            break
    await admit(runtime, job_id)
    now = await admissions.read(runtime, job_id)
    return str(now.fields.get("status")) if now else "deleted"


def _has_failed(job: Written) -> bool:
    return job.fields.get("status") in {FAILED, CANCELLED}
