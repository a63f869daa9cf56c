"""What becomes of a job once its line, or the lack of one, is known."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, Self

from nightshift.errors import JobRefused
from nightshift.job_types import find
from nightshift.job_types.base import JobResult, JobType
from nightshift.jobs.job import Job
from nightshift.pricing.prices import batch_cost_usd
from nightshift.providers.result_line import Answer, NoAnswer, ResultLine, answer_of
from nightshift.values.lane import Lane
from nightshift.values.outcome import Stop
from nightshift.values.status import CANCELLED, FAILED
from nightshift.values.text import cleaned
from nightshift.values.usage import Usage

WAS_CANCELLED: Final = "The request was cancelled."


@dataclass(frozen=True, kw_only=True)
class _OfJob:
    job: Job

    def reread(self, update_time: datetime) -> Self:
        """The same for a job whose document was touched meanwhile."""
        return replace(self, job=replace(self.job, update_time=update_time))


@dataclass(frozen=True, kw_only=True)
class Completed(_OfJob):
    """It has its answer. `lane` is the one that gave it."""

    lane: Lane
    result: JobResult
    usage: Usage
    # None for a model that has no listed price.
    cost_usd: float | None
    title: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Requeued(_OfJob):
    """It goes back into its lane. `attempts` is what it has spent then."""

    attempts: int


@dataclass(frozen=True, kw_only=True)
class Failed(_OfJob):
    """It ends for good without an answer, and its tokens come back."""

    status: Literal["failed", "cancelled"] = FAILED
    error_code: str
    error_message: str
    title: str


Settlement = Completed | Requeued | Failed


def settlement_of(job: Job, lane: Lane, line: ResultLine, max_attempts: int, stop: Stop | None = None) -> Settlement:
    """Judge a job by its result line; `stop` is as in `retry_or_failure`."""
    try:
        job_type = find(job.type)
    except JobRefused as unknown:
        return failure(job, unknown.code, unknown.message)
    answer = answer_of(line, job_type)
    if isinstance(answer, Answer):
        return completion(job, lane, job_type, answer, batch_cost_usd(lane.provider, lane.model, answer.usage))
    return retry_or_failure(job, answer, max_attempts, stop)


def completion(job: Job, lane: Lane, job_type: JobType[Any], answer: Answer, cost_usd: float | None) -> Completed:
    """Complete a job by its validated answer."""
    return Completed(
        job=job,
        lane=lane,
        result=answer.result,
        usage=answer.usage,
        cost_usd=cost_usd,
        title=f"{job_type.title} ready",
        message=job_type.summarize(answer.result),
    )


def retry_or_failure(job: Job, no_answer: NoAnswer, max_attempts: int, stop: Stop | None = None) -> Requeued | Failed:
    """Queue a job again if that may help and it has an attempt left, else fail it.

    Args:
        stop: the wish for the job's batch, if there is one. It decides instead, where another attempt may help; one
            that was cut short for its sake is not spent.
    """
    if no_answer.retryable and stop == "cancel":
        return cancellation(job)
    if no_answer.retryable and stop == "retry":
        return Requeued(job=job, attempts=job.attempts - 1)
    if no_answer.retryable and job.attempts < max_attempts:
        return Requeued(job=job, attempts=job.attempts)
    return failure(job, no_answer.error_code, no_answer.message)


def failure(job: Job, error_code: str, error_message: str) -> Failed:
    """Fail a job."""
    title = f"{title_of(job.type)} failed"
    return Failed(job=job, error_code=error_code, error_message=cleaned(error_message), title=title)


def cancellation(job: Job) -> Failed:
    """Cancel a job that was charged."""
    title = f"{title_of(job.type)} cancelled"
    return Failed(job=job, status=CANCELLED, error_code="cancelled", error_message=WAS_CANCELLED, title=title)


def title_of(job_type: str) -> str:
    """How a job of this type is called before a person; of an unknown one, too."""
    try:
        return find(job_type).title
    except JobRefused:
        return "Your request"
