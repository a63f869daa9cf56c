"""Cancel: `created`, `queued` or `processing` → `cancelled`, on an operator's wish.

It is one commit for each job, like any other end: refund, notification and status together. A job that lies in a live
batch keeps its `batchId`; its line comes late, finds it no longer `processing`, and is passed over. Where its answer,
or its admission, comes at the same moment, one of the two commits finds that the job has changed.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from nightshift.database.commits import attempts
from nightshift.errors import JobRefused
from nightshift.jobs import created, settlements
from nightshift.jobs.created import JobDocument
from nightshift.jobs.settlement import cancellation, title_of
from nightshift.runtime import Runtime
from nightshift.values.status import CANCELLED, CREATED, PROCESSING, QUEUED
from nightshift.values.texts import Text

log = structlog.get_logger()

LIVE: Final = (CREATED, QUEUED, PROCESSING)
_UNPAID_AT_ONCE: Final = 16


async def cancel(runtime: Runtime, job_id: str) -> str | None:
    """Cancel a job that has not ended; returns its status then, None if there is no such job. Raises TryLater."""
    async for _ in attempts():
        job = await created.read(runtime, job_id)
        status = job.fields.get("status") if job else None
        if job is None or status not in LIVE:
            return str(status) if job else None
        await cancel_all(runtime, [job])
    return None


async def cancel_all(runtime: Runtime, jobs: Sequence[JobDocument]) -> None:
    """Cancel those of these jobs that no other process moves meanwhile. Raises TryLater."""
    at_once = asyncio.Semaphore(_UNPAID_AT_ONCE)

    async def cancel_unpaid(job: JobDocument) -> None:
        async with at_once:
            refusal = JobRefused("cancelled", Text.CANCELLED.say())
            await created.refuse(runtime, job, refusal, title_of(str(job.fields.get("type"))), CANCELLED)

    unpaid = [job for job in jobs if job.fields.get("status") == CREATED]
    paid = [job.job for job in jobs if job.fields.get("status") in {QUEUED, PROCESSING}]
    await asyncio.gather(*(cancel_unpaid(job) for job in unpaid))
    settled = await settlements.settle(runtime, [cancellation(job) for job in paid])
    log.info("jobs_cancelled", jobs=len(unpaid) + len(settled))
