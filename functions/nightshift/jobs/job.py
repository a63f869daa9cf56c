"""A job: what a client may write into `ai_jobs/{jobId}`, and what the functions make of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictStr, model_validator

from nightshift.values.ids import is_user_id
from nightshift.values.numbers import WholeNumber
from nightshift.values.speed import Speed

DEFAULT_PRIORITY: Final = 5


def _uid(uid: str) -> str:
    """A uid as Firebase Auth gives it, and one that can name a wallet's document."""
    if not is_user_id(uid):
        raise ValueError("it is no user's id")
    return uid


class JobRequest(BaseModel):
    """The client's fields of a job document. `input` is validated by the job type."""

    model_config = ConfigDict(strict=True, frozen=True)

    userId: Annotated[StrictStr, AfterValidator(_uid)]
    type: StrictStr = Field(min_length=1, max_length=100)
    speed: Speed
    input: dict[str, Any]
    priority: WholeNumber = Field(DEFAULT_PRIORITY, ge=1, le=10)
    # By when a batch job has to be answered; if its batch does not, in real time.
    deadline: AwareDatetime | None = None

    @model_validator(mode="after")
    def _only_a_batch_has_a_deadline(self) -> "JobRequest":
        if self.deadline and self.speed != "batch":
            raise ValueError("only a job of the speed batch has a deadline")
        return self


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that was admitted, as read from its document at `update_time`."""

    job_id: str
    user_id: str
    type: str
    input: Mapping[str, Any]
    status: str
    # None before it was admitted.
    lane: str | None
    batch_id: str | None
    # How often it was submitted, the submission under way included; in real time, how often the provider was asked.
    attempts: int
    # The batches that it has left to be queued again: their files hold its lines, too.
    former_batch_ids: tuple[str, ...]
    # The precondition of every write that follows from this reading.
    update_time: datetime
    # Since when it waits for its answer.
    queued_at: datetime | None = None
    submitted_at: datetime | None = None
    # The deadline of a job of the batch lane.
    batch_until: datetime | None = None
    # Only of a job in real time: until then an instance has it, or it waits (see instant/realtime.py).
    next_attempt_at: datetime | None = None
    # Which generation of its image was checked; None = it has none, or names an https address.
    image_generation: int | None = None
    # Why it waits; None = an instance is answering it, or was when it died.
    waits_for: str | None = None
    # How many of the provider's answers were none.
    invalid_answers: int = 0
    # How often it came back from a batch through no fault of its own.
    spared: int = 0
    # When it came back so for the first time.
    spared_since: datetime | None = None
    # What the provider's answers in real time have cost so far; None = the model has no listed price.
    cost_usd: float | None = 0.0
    # What lines of batches cost that brought no answer; the commit that ends the job without one counts it. Negative
    # once an operator has run it again: so much of `cost_usd` was counted by its first end.
    uncounted_usd: float = 0.0
    # The day on which it counts for its user's share of the budget, and by how much; None = it does not.
    share_day: str | None = None
    share_usd: float = 0.0
    # Whether an operator let it run again for nothing.
    is_free: bool = False
    # The batch of which the job's line was counted after, or by, the job's end.
    counted_batch_id: str | None = None

    @property
    def is_realtime(self) -> bool:
        """Whether it is answered in real time, and by no batch."""
        return self.next_attempt_at is not None and self.batch_id is None
