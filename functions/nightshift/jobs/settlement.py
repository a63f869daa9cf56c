"""What becomes of a job once its line, or the lack of one, is known."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Self

from nightshift.errors import JobRefused
from nightshift.job_types import find
from nightshift.job_types.base import JobResult, JobType
from nightshift.jobs.answer import Answer, NoAnswer, answer_of
from nightshift.jobs.job import Job
from nightshift.jobs.notification import TITLES
from nightshift.pricing.prices import batch_cost_usd
from nightshift.providers.result_line import ResultLine
from nightshift.values.lane import Lane
from nightshift.values.outcome import Stop
from nightshift.values.status import CANCELLED, COMPLETED, FAILED
from nightshift.values.text import cleaned
from nightshift.values.texts import Text
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage

# How often a job is asked for again at the provider's expense. A request that troubles the provider each time must end
# some day; with the lane's pauses in between, a trouble of some hours is waited out. An outage of the lane is waited
# out however often, but not for ever: of a lone request in a lane nothing tells the one from the other.
MOST_SPARED: Final = 12
# So often it is asked for again in its own lane, where another lane could take it.
SPARED_IN_A_LANE: Final = 2
_LONGEST_OUTAGE: Final = timedelta(days=3)


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
    """It is queued again. `attempts` is what it has spent then, `spared` how often it came back for nothing."""

    attempts: int
    spared: int = 0
    # Why, if it is not the job's own trouble.
    trouble: Trouble | None = None
    # The lane to which it is moved; None = it goes back into its own.
    moved_to: Lane | None = None
    # What its line in a batch has cost, which was no answer.
    line_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Failed(_OfJob):
    """It ends for good without an answer, and its tokens come back."""

    status: Literal["failed", "cancelled"] = FAILED
    error_code: str
    error_message: str
    # Why exactly, for the log.
    reason: str
    title: str
    # What its line in a batch has cost, which was no answer.
    line_usd: float = 0.0

    @property
    def failed_usd(self) -> float:
        """What we have paid for it, and its user has not: of that, what was not counted before."""
        return max(0.0, self.job.uncounted_usd + (self.job.cost_usd or 0.0) + self.line_usd)


@dataclass(frozen=True, kw_only=True)
class Late(_OfJob):
    """It has ended without an answer, and its line came after that: the line has cost something all the same."""

    batch_id: str
    line_usd: float


Settlement = Completed | Requeued | Failed
# Gives the lane to which a job may be moved; None for one that stays.
Fallback = Callable[[Job], Lane | None]


def stays(_: Job) -> None:
    """No job is moved."""


@dataclass(frozen=True, kw_only=True)
class LaneHealth:
    """What tells an outage of a lane from a request that troubles the provider each time: the lane's last answer."""

    now: datetime
    # When the last batch with an answer ended; None = of late there was none.
    answered_at: datetime | None

    def is_out_for(self, job: Job) -> bool:
        """Whether no job of the lane has been answered since this one came back for the first time."""
        since = job.spared_since
        if since is None or self.now >= since + _LONGEST_OUTAGE:
            return False
        return self.answered_at is None or self.answered_at <= since


def needs_health(job: Job, trouble: Trouble | None) -> bool:
    """Whether only the health of its lane can say if the job is spared once more."""
    # An image that is not fetched, or an unknown code, is no sign of an outage.
    return trouble is Trouble.PROVIDER and job.spared >= MOST_SPARED


def settlement_of(
    job: Job,
    lane: Lane,
    line: ResultLine,
    max_attempts: int,
    stop: Stop | None = None,
    fallback: Fallback = stays,
    health: LaneHealth | None = None,
) -> Settlement:
    """Judge a job by its result line; `stop`, `fallback` and `health` are as in `retry_or_failure`."""
    cost_usd = batch_cost_usd(lane.provider, lane.model, line.usage)
    try:
        job_type = find(job.type)
    except JobRefused as unknown:
        return replace(failure(job, unknown.code, unknown.message, unknown.reason), line_usd=cost_usd or 0.0)
    answer = answer_of(line, job_type, job.input)
    if isinstance(answer, Answer):
        return completion(job, lane, job_type, answer, cost_usd)
    return replace(retry_or_failure(job, answer, max_attempts, stop, fallback, health), line_usd=cost_usd or 0.0)


def late_line(job: Job, lane: Lane, batch_id: str, line: ResultLine) -> Late | None:
    """A line for a job of this batch that has ended without it, if it has cost something that was not counted yet."""
    is_over = job.status in {FAILED, CANCELLED} and job.batch_id == batch_id != job.counted_batch_id
    line_usd = batch_cost_usd(lane.provider, lane.model, line.usage) if is_over else None
    return Late(job=job, batch_id=batch_id, line_usd=line_usd) if line_usd else None


def completion(job: Job, lane: Lane, job_type: JobType[Any], answer: Answer, cost_usd: float | None) -> Completed:
    """Complete a job by its validated answer."""
    return Completed(
        job=job,
        lane=lane,
        result=answer.result,
        usage=answer.usage,
        cost_usd=cost_usd,
        title=TITLES[COMPLETED].say(title=job_type.title),
        message=job_type.summarize(answer.result),
    )


def retry_or_failure(
    job: Job,
    no_answer: NoAnswer,
    max_attempts: int,
    stop: Stop | None = None,
    fallback: Fallback = stays,
    health: LaneHealth | None = None,
) -> Requeued | Failed:
    """Queue a job again if that may help and it has an attempt left, else fail it.

    Only the job's own trouble spends an attempt.

    Args:
        stop: the wish for the job's batch, if there is one. It decides instead, where another attempt may help; one
            that was cut short for its sake is not spent.
        fallback: where the job goes if its lane is broken, or did not answer it in time.
        health: of the job's lane; needed where `needs_health` says so.
    """
    trouble = no_answer.trouble
    if trouble.is_final:
        return failure(job, no_answer.error_code, no_answer.message, no_answer.reason)
    if stop == "cancel":
        return cancellation(job)
    if stop in {"retry", "move"}:
        moved_to = fallback(job) if stop == "move" else None
        return Requeued(job=job, attempts=job.attempts - 1, spared=job.spared, moved_to=moved_to)
    is_outage = health is not None and needs_health(job, trouble) and health.is_out_for(job)
    if not trouble.spends_attempt and (trouble.is_waited_for or is_outage or job.spared < MOST_SPARED):
        # What is waited for without end counts so far only that its repetition is known for one.
        most = 3 if trouble.is_waited_for else MOST_SPARED
        spared = max(job.spared, min(job.spared + 1, most))
        is_broken = trouble.needs_operator or (spared > SPARED_IN_A_LANE and trouble is not Trouble.QUEUE_FULL)
        moved_to = fallback(job) if is_broken else None
        return Requeued(job=job, attempts=job.attempts - 1, spared=spared, trouble=trouble, moved_to=moved_to)
    if job.attempts < max_attempts:
        moved_to = fallback(job) if trouble is Trouble.EXPIRED else None
        return Requeued(job=job, attempts=job.attempts, spared=job.spared, moved_to=moved_to)
    return failure(job, no_answer.error_code, no_answer.message, no_answer.reason)


def failure(job: Job, error_code: str, error_message: str, reason: str | None = None) -> Failed:
    """Fail a job. `reason` is as in `JobRefused`."""
    title = TITLES[FAILED].say(title=title_of(job.type))
    reason = reason or error_message
    return Failed(job=job, error_code=error_code, error_message=cleaned(error_message), reason=reason, title=title)


def cancellation(job: Job) -> Failed:
    """Cancel a job that was charged."""
    said, title = Text.CANCELLED.say(), TITLES[CANCELLED].say(title=title_of(job.type))
    return Failed(job=job, status=CANCELLED, error_code="cancelled", error_message=said, reason=said, title=title)


def title_of(job_type: str) -> str:
    """How a job of this type is called before a person; of an unknown one, too."""
    try:
        return find(job_type).title
    except JobRefused:
        return Text.YOUR_REQUEST.say()
