"""Settle: `settling` → the provider's outcome. Deal with the jobs that the files left out, price the batch, clean up.

A job that is still `processing` here has no line: it is queued again, or fails when its attempts are spent. If one
reading of the lines settled every job, its counts are the batch's. Otherwise, since a repeated reading counts only what
was left to it, they are counted by the database. The provider's files go before the last write; a crash in between
deletes them again, which does no harm.
"""

from datetime import timedelta
from typing import Final

import structlog
from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.batches import documents as batches
from nightshift.batches import lanes
from nightshift.batches.batch import Batch
from nightshift.database.leases import Hold
from nightshift.jobs import settlements
from nightshift.jobs.job import Job
from nightshift.jobs.retention import batch_expiry
from nightshift.jobs.settlement import Requeued, Settlement, retry_or_failure
from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd
from nightshift.providers.base import ProviderRefusal, ProviderTrouble
from nightshift.providers.result_line import NoAnswer
from nightshift.runtime import Runtime
from nightshift.values.outcome import Outcome

log = structlog.get_logger()

# The provider's queue for this model is full: nothing is wrong with the jobs, they wait for room.
_QUEUE_IS_FULL: Final = "token_limit_exceeded"
_BACK_OFF: Final = timedelta(minutes=30)
# How long a batch is kept open for the sake of a file that cannot be deleted.
_DELETION_PATIENCE: Final = timedelta(hours=72)
_LEFT_OUT: Final[dict[Outcome, NoAnswer]] = {
    "completed": NoAnswer(
        error_code="result_missing", message="The provider returned no answer to it.", retryable=True
    ),
    "expired": NoAnswer(error_code="batch_expired", message="The provider did not get to it in time.", retryable=True),
    "failed": NoAnswer(error_code="batch_failed", message="The provider could not run its batch.", retryable=True),
    "cancelled": NoAnswer(error_code="batch_failed", message="The provider's batch was cancelled.", retryable=True),
}


async def settle(runtime: Runtime, hold: Hold) -> None:
    """Close a batch. Raises ProviderTrouble when a file cannot be deleted now; then it is repeated."""
    batch = batches.batch_of(hold)
    outcome = batch.outcome or "failed"
    if batch.error_code == _QUEUE_IS_FULL:
        most_requests = max(1, batch.job_count // 2)
        await lanes.back_off(runtime, hold, batch.lane, runtime.now() + _BACK_OFF, most_requests)
    is_accounted_for = batch.counts.total == batch.job_count
    if not is_accounted_for:
        async for jobs in batches.processing_jobs(runtime, batch.batch_id):
            await settlements.settle(runtime, [_settlement(runtime, batch, outcome, job) for job in jobs])
    await _delete_files(runtime, batch)
    counts = (batch.counts if is_accounted_for else await batches.count_jobs(runtime, batch)).fields()
    provider, model = batch.lane.provider, batch.lane.model
    cost_usd = batch_cost_usd(provider, model, batch.usage)
    await hold.write(
        {
            "status": outcome,
            "counts": counts,
            "costUsd": cost_usd,
            # From here on what it cost counts, and no estimate: what failed frees its share of the budget.
            "budgetUsd": cost_usd or 0.0,
            "realtimeCostUsd": realtime_cost_usd(provider, model, batch.usage),
            "completedAt": SERVER_TIMESTAMP,
            **batch_expiry(runtime),
        },
        release=True,
    )
    log.info("batch_settled", outcome=outcome, jobs=batch.job_count, cost_usd=cost_usd, **counts)


async def _delete_files(runtime: Runtime, batch: Batch) -> None:
    is_overdue = runtime.now() >= batch.created_at + _DELETION_PATIENCE
    for file_id in (batch.input_file_id, batch.output_file_id, batch.error_file_id):
        if file_id:
            try:
                await runtime.provider.delete_file(file_id)
            except (ProviderRefusal, ProviderTrouble) as trouble:
                if isinstance(trouble, ProviderTrouble) and not is_overdue:
                    raise
                log.error("file_not_deleted", file_id=file_id, reason=str(trouble))


def _settlement(runtime: Runtime, batch: Batch, outcome: Outcome, job: Job) -> Settlement:
    if batch.error_code == _QUEUE_IS_FULL and batch.stop != "cancel":
        return Requeued(job=job, attempts=job.attempts - 1)
    return retry_or_failure(job, _LEFT_OUT[outcome], runtime.settings.max_attempts, batch.stop)
