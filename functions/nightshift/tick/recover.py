"""Recover: jobs that are `processing` in a batch that is gone, or in real time long after they should have ended.

Nothing of ours leaves such a job: a batch is closed after its last job. But a batch's document can be deleted or
changed by hand, and then no step would ever take the job up. After days in which every batch would have been closed,
the job is sent again. Once its attempts are spent, it fails and is refunded.
"""

from datetime import timedelta
from typing import Final

import structlog

from nightshift.batches import documents as batches
from nightshift.errors import TryLater
from nightshift.jobs import settlements
from nightshift.jobs.answer import NoAnswer
from nightshift.jobs.job import Job
from nightshift.jobs.settlement import Settlement, failure, retry_or_failure
from nightshift.runtime import Runtime
from nightshift.values.texts import Text
from nightshift.values.trouble import Trouble

log = structlog.get_logger()

# Longer than any batch is waited for: 72 hours for the provider, 24 for its files.
_STRANDED_AFTER: Final = timedelta(hours=120)
_LOST: Final = NoAnswer(
    error_code="batch_failed", message=Text.LOST.say(), reason="its batch was lost", trouble=Trouble.LEFT_OUT
)


async def recover(runtime: Runtime) -> None:
    """Send stranded jobs again, or fail them."""
    for job in await batches.processing_since(runtime, runtime.now() - _STRANDED_AFTER):
        if not await _is_in_open_batch(runtime, job):
            log.warning("job_recovered", job_id=job.job_id, batch_id=job.batch_id)
            await send_again_or_fail(runtime, job)


async def send_again_or_fail(runtime: Runtime, job: Job) -> None:
    """Queue a job whose batch is gone, or fail and refund it; one that was asked for in real time fails."""
    if job.is_realtime:
        settlement: Settlement = failure(job, "provider_rejected", Text.NOT_IN_TIME.say())
    else:
        settlement = retry_or_failure(job, _LOST, runtime.settings.max_attempts)
    await settlements.settle(runtime, [settlement])


async def _is_in_open_batch(runtime: Runtime, job: Job) -> bool:
    try:
        batch = await batches.read(runtime, job.batch_id) if job.batch_id else None
    except TryLater:
        # No step can advance a document that cannot be read.
        return False
    return batch is not None and batch.is_open
