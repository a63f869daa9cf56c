"""Answer: a job that is in this instance's hands, `processing` → `completed` or `failed`, by the provider in real time.

| the process dies | what is left | who goes on |
|---|---|---|
| before the provider is asked | a job that no instance has | its event's next delivery or a sweep, after its lease |
| after that, before the end is written | the same; the answer is lost | the same; it is paid twice, which is logged |
| after the end is written | nothing | |
| while the job waits in the function | the same as before it | the same |
| after it was put off | a job that waits | a sweep, when its wait is over |

Short waits are spent here, in the job's lease; for longer ones the job is put off by one write, and the instance is
free. An instance may sleep past its lease. If another instance has taken the job, its update time has moved, and the
first neither asks nor writes any more. While the job waits for its turn, and for its answer, its lease is renewed
(keeping.py).

What passes is tried until six hours are over. An invalid answer is asked for again as often as a batch would be
sent again. What can't pass fails at once. Either way the user gets the tokens back, and pays for no second answer.
"""

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from nightshift import job_types
from nightshift.errors import BudgetSpent, JobRefused, ShareSpent, TryLater
from nightshift.instant import transitions as realtime
from nightshift.instant.keeping import KeptJob, kept
from nightshift.instant.pace import GateClosed, pace_of, patience_seconds
from nightshift.instant.realtime import Taken, WaitsFor, gives_up_at, wait_seconds
from nightshift.jobs import settlements
from nightshift.jobs.answer import Answer, answer_of
from nightshift.jobs.fallback import fallback_of
from nightshift.jobs.job import Job
from nightshift.jobs.request import request
from nightshift.jobs.settlement import Completed, Failed, completion, failure
from nightshift.pricing.prices import realtime_cost_usd
from nightshift.pricing.unpriced import tell_if_unpriced
from nightshift.providers.base import ProviderLate, ProviderRateLimited, ProviderTrouble, loggable_code
from nightshift.providers.estimate import expected_usage
from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.texts import Text
from nightshift.values.trouble import Trouble

log = structlog.get_logger()

# So often a job is asked for in its own lane while the provider is in trouble, where another lane could take it.
_ATTEMPTS_IN_A_LANE: Final = 5
# What of a lease has to be left when the provider is asked. While it answers, each third of a lease renews it.
_LEASE_SHARE: Final = 0.6
# With this status a server says that it failed itself; from so many attempts on, it may be the request.
_ITS_OWN_FAULT: Final = 500
_MOST_FAULTS: Final = 6


@dataclass(frozen=True, kw_only=True)
class AnswerDelayed:
    """No answer yet: the job as it is after the attempt, and why."""

    job: Job
    waits_for: WaitsFor
    # In one line, without anything of the job's or the provider's text.
    reason: str
    retry_after_seconds: float | None = None
    needs_operator: bool = False


async def answer(runtime: Runtime, taken: Taken) -> bool:
    """Answer a job, fail it, or put it off; returns whether it has ended.

    Raises:
        LeaseHeld: another instance has taken it.
        TryLater: the database did not answer; the job is taken up when its lease is over.
    """
    job, is_repeated = taken.job, taken.is_repeated
    while True:
        outcome = await attempt(runtime, job, is_repeated=is_repeated)
        if not isinstance(outcome, AnswerDelayed):
            _log_end(outcome, is_settled=bool(await settlements.settle(runtime, [outcome])))
            return True
        pause_seconds = wait_seconds(
            outcome.waits_for,
            outcome.job.attempts,
            outcome.retry_after_seconds,
            random.random(),  # noqa: S311 - jitter is no secret
        )
        longest_seconds = runtime.instance.bounds.longest_pause_seconds
        is_stored = pause_seconds > longest_seconds or not _lasts(runtime, outcome.job, pause_seconds)
        _log_delay(outcome, pause_seconds, is_stored=is_stored)
        if is_stored:
            until = runtime.now() + timedelta(seconds=pause_seconds)
            await realtime.put_off(runtime, outcome.job, until, outcome.waits_for)
            return False
        await asyncio.sleep(pause_seconds)
        job, is_repeated = replace(outcome.job, attempts=outcome.job.attempts + 1), False


async def attempt(runtime: Runtime, job: Job, *, is_repeated: bool) -> Completed | Failed | AnswerDelayed:
    """Ask once for a job that this instance has. Raises as `answer`."""
    if runtime.now() >= gives_up_at(job):
        return failure(job, "provider_rejected", Text.NOT_IN_TIME.say())
    lane = Lane.parse(job.lane)
    tell_if_unpriced(runtime, lane)
    try:
        asked = await request(runtime, lane, job)
        await runtime.instance.day_budget.check(job.user_id, job.job_id)
    except JobRefused as refusal:
        return failure(job, refusal.code, refusal.message, refusal.reason)
    except (BudgetSpent, ShareSpent) as spent:
        return AnswerDelayed(
            job=job, waits_for="budget" if isinstance(spent, BudgetSpent) else "share", reason=str(spent)
        )
    except TryLater as trouble:
        return AnswerDelayed(job=job, waits_for="image", reason=str(trouble))
    if is_repeated:
        estimated_usd = realtime_cost_usd(lane.provider, lane.model, expected_usage(asked))
        log.warning("answer_repeated", job_id=job.job_id, attempt=job.attempts, estimated_usd=estimated_usd)
    return await _ask(runtime, lane, job, asked)


async def _ask(runtime: Runtime, lane: Lane, job: Job, asked: Request) -> Completed | Failed | AnswerDelayed:
    async with kept(runtime, job) as keeping:
        try:
            outcome = await _ask_in_turn(runtime, lane, keeping, asked)
        except GateClosed as closed:
            outcome = AnswerDelayed(
                job=job, waits_for="rate_limit", reason=str(closed), retry_after_seconds=closed.seconds
            )
    # What is written next rests on how the last renewal left the job.
    left = keeping.job
    now = replace(outcome.job, update_time=left.update_time, next_attempt_at=left.next_attempt_at)
    return replace(outcome, job=now)


async def _ask_in_turn(
    runtime: Runtime, lane: Lane, keeping: KeptJob, asked: Request
) -> Completed | Failed | AnswerDelayed:
    async with pace_of(runtime, lane).slot() as slot:
        if not _lasts(runtime, keeping.job, 0):
            await keeping.keep()
        job = keeping.job
        try:
            answered = await runtime.provider_for(lane).answer(asked, patience_seconds(runtime, lane))
        except ProviderRateLimited as limited:
            slot.limited(limited.retry_after_seconds, limited.limits)
            return _waits(job, "rate_limit", limited)
        except ProviderLate as late:
            slot.late(late.retry_after_seconds)
            return _moved(runtime, lane, _waits(job, "provider", late))
        except ProviderTrouble as trouble:
            slot.failed(trouble.retry_after_seconds)
            waits = _waits(job, "operator" if trouble.needs_operator else "provider", trouble)
            moved = _moved(runtime, lane, waits)
            return await _failed_alone(runtime, lane, job, trouble) or moved if moved is waits else moved
        used = answered.line.usage
        slot.answered(answered.limits, used.input_tokens + used.output_tokens)
    return _judge(runtime, lane, job, answered.line)


async def _failed_alone(runtime: Runtime, lane: Lane, job: Job, trouble: ProviderTrouble) -> Failed | None:
    """The end of a job at which the provider fails again and again, while the lane has answered others; else None.

    An image that is sent to a model of text alone is such a job, at many servers. In an outage no other job is
    answered either, so there each waits.
    """
    if trouble.status != _ITS_OWN_FAULT or job.attempts < _MOST_FAULTS or job.submitted_at is None:
        return None
    if not await realtime.has_answered_since(runtime, lane, job.submitted_at):
        return None
    reason = f"{trouble}, after {job.attempts} attempts, while other jobs of the lane were answered"
    return failure(job, "provider_rejected", Text.NOT_ACCEPTED.say(), reason)


def _judge(runtime: Runtime, lane: Lane, job: Job, line: ResultLine) -> Completed | Failed | AnswerDelayed:
    """What becomes of a job by what the provider said."""
    job_type = job_types.find(job.type)
    answered = answer_of(line, job_type, job.input)
    spent_usd = realtime_cost_usd(lane.provider, lane.model, answered.usage)
    runtime.instance.day_budget.spend(job.user_id, spent_usd or 0.0)
    paid = replace(job, cost_usd=None if spent_usd is None else (job.cost_usd or 0.0) + spent_usd)
    if isinstance(answered, Answer):
        return completion(paid, lane, job_type, answered, paid.cost_usd)
    trouble = answered.trouble
    if trouble is Trouble.REJECTED:
        log.error("answer_refused", job_id=job.job_id, code=loggable_code(line.code))
    if not trouble.is_final and not trouble.spends_attempt:
        # The next question has a new address of the image.
        waits_for: WaitsFor = "image" if trouble is Trouble.IMAGE_NOT_FETCHED else "provider"
        return AnswerDelayed(job=paid, waits_for=waits_for, reason=trouble.value)
    again = replace(paid, invalid_answers=job.invalid_answers + 1)
    if trouble.is_final or again.invalid_answers >= runtime.settings.max_attempts:
        return failure(again, answered.error_code, answered.message, answered.reason)
    return AnswerDelayed(job=again, waits_for="valid_answer", reason=answered.reason)


def _moved(runtime: Runtime, lane: Lane, waits: AnswerDelayed) -> AnswerDelayed:
    """The wait of a job whose lane is broken, or failed it again and again: it ends in the fallback lane."""
    is_broken = waits.needs_operator or waits.job.attempts >= _ATTEMPTS_IN_A_LANE
    other = fallback_of(runtime, lane)(waits.job) if is_broken else None
    if other is None:
        return waits
    log.warning("answer_moved", job_id=waits.job.job_id, lane=str(other), reason=waits.reason)
    return replace(waits, job=replace(waits.job, lane=str(other)), retry_after_seconds=0.0)


def _lasts(runtime: Runtime, job: Job, pause_seconds: float) -> bool:
    """Whether the job's lease lasts for a pause, and from then on until it is renewed again."""
    needed = timedelta(seconds=pause_seconds + _LEASE_SHARE * runtime.settings.lease_seconds)
    return job.next_attempt_at is not None and runtime.now() + needed <= job.next_attempt_at


def _waits(job: Job, waits_for: WaitsFor, trouble: ProviderTrouble) -> AnswerDelayed:
    return AnswerDelayed(
        job=job,
        waits_for=waits_for,
        reason=str(trouble),
        retry_after_seconds=trouble.retry_after_seconds,
        needs_operator=trouble.needs_operator,
    )


def _log_delay(waits: AnswerDelayed, pause_seconds: float, *, is_stored: bool) -> None:
    (log.error if waits.needs_operator else log.warning)(
        "answer_delayed",
        job_id=waits.job.job_id,
        attempt=waits.job.attempts,
        waits_for=waits.waits_for,
        reason=waits.reason,
        seconds=round(pause_seconds, 1),
        is_stored=is_stored,
    )


def _log_end(end: Completed | Failed, *, is_settled: bool) -> None:
    job = end.job
    if not is_settled:
        log.warning("answer_not_written", job_id=job.job_id, attempts=job.attempts, cost_usd=job.cost_usd)
    elif isinstance(end, Completed):
        log.info("job_answered", job_id=job.job_id, lane=job.lane, attempts=job.attempts, cost_usd=end.cost_usd)
    else:
        log.warning(
            "answer_failed",
            job_id=job.job_id,
            lane=job.lane,
            attempts=job.attempts,
            code=end.error_code,
            reason=end.reason,
        )
