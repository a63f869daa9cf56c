"""Close: `closing` → the provider's outcome. Deal with the jobs that the files left out, price the batch, clean up.

A job that is still `processing` here has no line: it is queued again, or fails when its attempts are spent. Why the
batch failed decides whether that is an attempt (`values/trouble.py`), and whether the lane backs off. The provider's
files go before the last write; a crash in between deletes them again, which does no harm.
"""

from datetime import timedelta
from typing import Final

import structlog

from nightshift.batches import lanes
from nightshift.batches.batch import Batch
from nightshift.batches.members import Closing, Members
from nightshift.batches.tally import Spared
from nightshift.batches.transitions import HeldBatch
from nightshift.jobs.answer import NoAnswer, no_answer, not_run
from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd
from nightshift.providers.base import ProviderRefusal, ProviderTrouble
from nightshift.providers.registry import TRAITS
from nightshift.runtime import Runtime
from nightshift.values.outcome import Outcome
from nightshift.values.trouble import Trouble

log = structlog.get_logger()

_BACK_OFF: Final = timedelta(minutes=30)
# So often a trouble may be over at once. After that the lane pauses, twice as long each time.
_AT_ONCE: Final = 2
_FIRST_PAUSE: Final = timedelta(minutes=5)
# How long a batch is kept open for the sake of a file that cannot be deleted.
_DELETION_PATIENCE: Final = timedelta(hours=72)
_LEFT_OUT: Final[dict[Outcome, Trouble]] = {
    "completed": Trouble.LEFT_OUT,
    "expired": Trouble.EXPIRED,
    "cancelled": Trouble.STOPPED,
}


async def close(runtime: Runtime, held: HeldBatch, members: Members) -> None:
    """Close a batch. Raises ProviderTrouble when a file cannot be deleted now; then it is repeated."""
    batch = held.batch
    outcome = batch.outcome or "failed"
    left_out = _left_out(batch, outcome)
    if left_out.trouble.is_waited_for:
        # Before its jobs are queued again.
        await _back_off(runtime, held, left_out.trouble, _BACK_OFF)
    tally = await members.settle_rest(left_out)
    await _delete_files(runtime, batch)
    counts, trouble, spared = tally.settled, tally.trouble, tally.spared
    if trouble and spared:
        _log_spared(trouble, max(spared.values()))
        if not counts.completed and not left_out.trouble.is_waited_for:
            await _leave_alone(runtime, held, trouble, spared)
    provider, model = batch.lane.provider, batch.lane.model
    cost_usd = batch_cost_usd(provider, model, tally.usage)
    if outcome == "cancelled" and not TRAITS[provider].reveals_stopped:
        # What was answered there is billed, and not to be seen.
        loss_usd = max(0.0, batch.budget_usd - (cost_usd or 0.0))
        cost_usd = (cost_usd or 0.0) + loss_usd
        log.warning("loss_booked", loss_usd=loss_usd)
    closing = Closing(
        outcome=outcome,
        counts=counts,
        usage=tally.usage,
        cost_usd=cost_usd,
        realtime_cost_usd=realtime_cost_usd(provider, model, tally.usage),
        breakdown=await members.break_down(counts),
    )
    await members.close(held, closing)
    log.info("batch_closed", outcome=outcome, jobs=batch.job_count, cost_usd=cost_usd, **counts.fields())


async def _delete_files(runtime: Runtime, batch: Batch) -> None:
    is_overdue = runtime.now() >= batch.created_at + _DELETION_PATIENCE
    for file_id in (batch.input_file_id, batch.output_file_id, batch.error_file_id):
        if file_id:
            try:
                await runtime.provider_for(batch.lane).delete_file(file_id)
            except (ProviderRefusal, ProviderTrouble) as trouble:
                if is_overdue:
                    log.error("file_not_deleted", file_id=file_id, reason=str(trouble))
                elif isinstance(trouble, ProviderRefusal):
                    # What it gives as its reason may pass, too.
                    raise ProviderTrouble(f"the provider does not delete a file: {trouble}") from trouble
                else:
                    raise


def _left_out(batch: Batch, outcome: Outcome) -> NoAnswer:
    """What is said of the jobs that the batch's files do not name."""
    if outcome == "failed":
        return not_run(batch.trouble or Trouble.UNKNOWN)
    return no_answer(_LEFT_OUT[outcome])


async def _back_off(runtime: Runtime, held: HeldBatch, trouble: Trouble, pause: timedelta) -> None:
    """Let nothing be submitted in the batch's lane for a while: what is wrong is not wrong with its jobs."""
    most_requests = max(1, held.batch.job_count // 2) if trouble is Trouble.QUEUE_FULL else None
    await held.back_off_lane(runtime.now() + pause, most_requests=most_requests, trouble=trouble)
    lanes.log_back_off(trouble, pause)


async def _leave_alone(runtime: Runtime, held: HeldBatch, trouble: Trouble, spared: Spared) -> None:
    """Pause after a repeated trouble: the lane, if jobs of two users met it so often; else that one user's jobs in it.

    The requests of one user may trouble the provider each time, which is no reason for others to wait.
    """
    repeated = {user_id: times - _AT_ONCE for user_id, times in spared.items() if times > _AT_ONCE}
    if not repeated:
        return
    pause = min(_BACK_OFF, _FIRST_PAUSE * 2 ** (min(repeated.values()) - 1))
    if len(repeated) > 1 or trouble.needs_operator:
        await _back_off(runtime, held, trouble, pause)
        return
    (user_id,) = repeated
    await held.back_off_user(user_id, runtime.now() + pause)
    log.warning("user_backs_off", error=trouble.value, seconds=pause.total_seconds())


def _log_spared(trouble: Trouble, spared: int) -> None:
    (log.error if trouble.needs_operator else log.warning)("jobs_spared", error=trouble.value, times=spared)
