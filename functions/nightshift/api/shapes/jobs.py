"""Jobs, as the API takes and shows them."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, JsonValue, StringConstraints

from nightshift.api.shapes.common import ApiModel, PageAsked, Storable, Time, example
from nightshift.jobs.job import DEFAULT_PRIORITY
from nightshift.values.numbers import WholeNumber
from nightshift.values.speed import Speed
from nightshift.values.status import Status

# So that all of them fit into one commit: https://firebase.google.com/docs/firestore/quotas
MOST_AT_ONCE: Final = 250

TypeName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_EXAMPLE: Final = {
    "type": "waste_classification",
    "speed": "batch",
    "input": {"text": "an empty glass bottle"},
    "priority": 5,
}
_CREATED: Final = {"id": "Xq3vQ9aBcDk2mPz0RtYu", "status": "created", "createdAt": "2026-11-28T10:30:00.000Z"}


class JobOfType(ApiModel):
    """A job whose type the path names."""

    speed: Speed = Field("batch", description="`batch` costs 1 token, `instant` 5, unless the job type says otherwise.")
    input: Storable = Field(description="What the job type takes: `text`, `imageUri`, or more.")
    priority: WholeNumber = Field(DEFAULT_PRIORITY, ge=1, le=10, description="A higher one is submitted first.")
    deadline: AwareDatetime | None = Field(
        None, description="`batch` only: by then it is answered in real time, at the batch price, if its batch is late."
    )

    model_config = example(**{name: content for name, content in _EXAMPLE.items() if name != "type"})


class NewJob(JobOfType):
    """A job as a client writes it."""

    type: TypeName = Field(description="A registered job type.")

    model_config = example(**_EXAMPLE)


class NewJobs(ApiModel):
    """Several jobs, which are created together or not at all."""

    jobs: list[NewJob] = Field(min_length=1, max_length=MOST_AT_ONCE)

    model_config = example(jobs=[_EXAMPLE])


class CreatedJob(ApiModel):
    """A job that was just written. The same request with the same key gets the same answer."""

    id: str
    status: Literal["created"] = "created"
    createdAt: Time

    model_config = example(**_CREATED)


class CreatedJobs(ApiModel):
    """Jobs that were just written, in the order of the request."""

    jobs: list[CreatedJob]

    model_config = example(jobs=[_CREATED])


class JobSummary(ApiModel):
    """A job without its input and its result."""

    id: str
    userId: str | None = None
    type: str | None = None
    speed: str | None = None
    status: Status
    priority: int | None = None
    createdAt: Time | None = None
    queuedAt: Time | None = None
    submittedAt: Time | None = None
    completedAt: Time | None = None
    deadline: Time | None = None
    tokensSpent: int | None = None
    attempts: int | None = None
    batchId: str | None = None
    errorCode: str | None = None
    errorMessage: str | None = None

    model_config = example(
        id="Xq3vQ9aBcDk2mPz0RtYu",
        type="waste_classification",
        speed="batch",
        status="queued",
        priority=5,
        createdAt="2026-11-28T10:30:00.000Z",
        queuedAt="2026-11-28T10:30:01.120Z",
        tokensSpent=1,
    )


class OwnJob(JobSummary):
    """A job."""

    input: dict[str, JsonValue] | None = None
    result: dict[str, JsonValue] | None = Field(None, description="The validated answer, as the job type promises it.")
    provider: str | None = None
    model: str | None = None
    usage: dict[str, int] | None = Field(None, description="The provider's tokens: `inputTokens`, `outputTokens`.")
    costUsd: float | None = None

    model_config = example(
        id="Xq3vQ9aBcDk2mPz0RtYu",
        type="waste_classification",
        speed="batch",
        status="completed",
        priority=5,
        createdAt="2026-11-28T10:30:00.000Z",
        completedAt="2026-11-28T14:02:11.481Z",
        tokensSpent=1,
        input={"text": "an empty glass bottle"},
        result={"category": "glass"},
        provider="openai",
        model="gpt-5-mini",
        usage={"inputTokens": 312, "outputTokens": 58},
        costUsd=0.000097,
    )


class JobPage(ApiModel):
    """The caller's jobs, the newest first."""

    jobs: list[JobSummary]
    nextPageToken: str | None = None

    model_config = example(jobs=[{"id": "Xq3vQ9aBcDk2mPz0RtYu", "status": "queued"}])


class JobsAsked(PageAsked):
    """Which of the caller's jobs."""

    status: Status | None = None


class JobNow(ApiModel):
    """A job, and where it is now."""

    id: str
    status: Status

    model_config = example(id="Xq3vQ9aBcDk2mPz0RtYu", status="cancelled")
