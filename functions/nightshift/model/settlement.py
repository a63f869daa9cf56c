"""What becomes of a job once its line, or the lack of one, is known."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from nightshift.job_types import find
from nightshift.job_types.base import JobResult, JobType
from nightshift.model.batch import Usage
from nightshift.model.errors import JobRefused
from nightshift.model.job import Job
from nightshift.model.lane import Lane
from nightshift.model.pricing import batch_cost_usd
from nightshift.model.result_line import Answer, NoAnswer, ResultLine, answer_of


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
    """It fails for good, and its tokens come back."""

    error_code: str
    error_message: str
    title: str


Settlement = Completed | Requeued | Failed


def settlement_of(job: Job, lane: Lane, line: ResultLine, max_attempts: int) -> Settlement:
    """Judge a job by its result line."""
    try:
        job_type = find(job.type)
    except JobRefused as unknown:
        return failure(job, unknown.code, unknown.message)
    answer = answer_of(line, job_type)
    if isinstance(answer, Answer):
        return completion(job, lane, job_type, answer, batch_cost_usd(lane.provider, lane.model, answer.usage))
    return retry_or_failure(job, answer, max_attempts)


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


def retry_or_failure(job: Job, no_answer: NoAnswer, max_attempts: int) -> Requeued | Failed:
    """Queue a job again if that may help and it has an attempt left, else fail it."""
    if no_answer.retryable and job.attempts < max_attempts:
        return Requeued(job=job, attempts=job.attempts)
    return failure(job, no_answer.error_code, no_answer.message)


def failure(job: Job, error_code: str, error_message: str) -> Failed:
    """Fail a job."""
    try:
        title = find(job.type).title
    except JobRefused:
        title = "Your request"
    return Failed(job=job, error_code=error_code, error_message=error_message, title=f"{title} failed")
