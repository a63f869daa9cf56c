"""A job: what a client may write into `ai_jobs/{jobId}`, and what the functions make of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from nightshift.model.errors import JobRefused

Speed = Literal["batch", "instant"]
Status = Literal["created", "queued", "processing", "completed", "failed", "cancelled"]

CREATED: Final = "created"
QUEUED: Final = "queued"
PROCESSING: Final = "processing"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
STATUSES: Final[tuple[Status, ...]] = (CREATED, QUEUED, PROCESSING, COMPLETED, FAILED, CANCELLED)

DEFAULT_PRIORITY: Final = 5
# A custom_id is `job-{jobId}` and may have 64 characters at the strictest provider.
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,60}")
# https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
_LONGEST_ID_BYTES: Final = 1500
_RESERVED_BY_FIRESTORE = re.compile(r"\.|\.\.|__.*__", re.DOTALL)


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
    priority: StrictInt = Field(DEFAULT_PRIORITY, ge=1, le=10)
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
    submitted_at: datetime | None = None
    # The deadline of a job of the batch lane.
    batch_until: datetime | None = None
    # Only while it is answered in real time: until then it is somebody's, or waits (see model/realtime.py).
    next_attempt_at: datetime | None = None
    # Why it waits; None = somebody is at it, or was.
    waits_for: str | None = None
    # How many of the provider's answers were none.
    invalid_answers: int = 0
    # How often it came back from a batch through no fault of its own.
    spared: int = 0
    # What the provider's answers in real time have cost so far; None = the model has no listed price.
    cost_usd: float | None = 0.0

    @property
    def is_realtime(self) -> bool:
        """Whether it is answered in real time, and by no batch."""
        return self.next_attempt_at is not None and self.batch_id is None


def names_a_document(name: str) -> bool:
    """Whether a document in Firestore can have this id."""
    try:
        fits = 0 < len(name.encode()) <= _LONGEST_ID_BYTES
    except UnicodeEncodeError:
        # Half a character, as JSON can spell it.
        return False
    return fits and "/" not in name and not _RESERVED_BY_FIRESTORE.fullmatch(name)


def is_user_id(uid: str) -> bool:
    """Whether Firebase Auth can give this uid, and a wallet's document be named after it."""
    return len(uid) <= 128 and names_a_document(uid)


def check_job_id(job_id: str) -> None:
    """Raise JobRefused unless the id is one that a provider's custom_id can carry."""
    if not is_job_id(job_id):
        raise JobRefused("invalid_input", "The job's id may hold 1 to 60 letters, digits, hyphens and underscores.")


def custom_id_of(job_id: str) -> str:
    """The provider's `custom_id` of a job's request."""
    return f"job-{job_id}"


def job_id_of(custom_id: str) -> str | None:
    """The job that a `custom_id` names, or None when it is not one of ours."""
    job_id = custom_id.removeprefix("job-")
    return job_id if job_id != custom_id and is_job_id(job_id) else None


def is_job_id(job_id: str) -> bool:
    """Whether a job can have this id."""
    return bool(_JOB_ID.fullmatch(job_id)) and names_a_document(job_id)
