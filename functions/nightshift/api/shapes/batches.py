"""Batches, as the API shows them to admins."""

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, RootModel

from nightshift.api.shapes.bulk import BulkJobView
from nightshift.api.shapes.common import ApiModel, PageAsked, Time, example

_EXAMPLE: Final[dict[str, Any]] = {
    "id": "ns-8fK2mQx0Zr8fK2mQx0Zr",
    "lane": "openai:/v1/chat/completions:gpt-5-mini",
    "status": "submitted",
    "jobs": 312,
    "remoteId": "batch_6740b1",
    "createdAt": "2026-11-28T02:00:04.120Z",
    "submittedAt": "2026-11-28T02:00:09.871Z",
}


class BatchesAsked(PageAsked):
    """Which batches."""

    open: bool | None = Field(None, description="`true`: only those with a step before them, the oldest first.")
    status: Literal["completed", "failed", "expired", "cancelled"] | None = Field(
        None, description="Only those that ended so, the newest first. `open` is left out then."
    )


class StepTrouble(ApiModel):
    """Why a batch does not go on."""

    reason: str
    needsOperator: bool = Field(description="Whether it passes only when an operator acts.")
    since: Time


class EndCounts(ApiModel):
    """How many of a batch's jobs ended how; those that were queued again are `retried`."""

    completed: int
    failed: int
    retried: int
    cancelled: int


class BatchView(ApiModel):
    """One batch of a provider."""

    id: str
    lane: str = Field(description="`provider:endpoint:model`.")
    status: str
    jobs: int
    remoteId: str | None = Field(None, description="Its id at the provider.")
    stop: Literal["cancel", "retry", "move"] | None = Field(
        None, description="What an admin wishes, until it is closed."
    )
    trouble: str | None = None
    errorCode: str | None = None
    errorMessage: str | None = Field(None, description="Why it failed, in the provider's words.")
    lastError: StepTrouble | None = Field(None, description="Why its last step failed; left out once one succeeds.")
    bulkId: str | None = Field(None, description="The bulk job of which it asks a part.")
    counts: EndCounts | None = Field(None, description="Once it is closed.")
    estimatedUsd: float | None = Field(None, description="What the provider is expected to take, until it is closed.")
    costUsd: float | None = None
    realtimeCostUsd: float | None = Field(None, description="What the same answers had cost in real time.")
    createdAt: Time
    submittedAt: Time | None = None
    endedAt: Time | None = None
    completedAt: Time | None = None

    model_config = example(**_EXAMPLE)


class BatchOrBulkJob(RootModel[BatchView | BulkJobView]):
    """A batch, for admins; or the bulk job of this id, for its owner."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class BatchPage(ApiModel):
    """Batches, the newest first; open ones the oldest first."""

    batches: list[BatchView]
    nextPageToken: str | None = None

    model_config = example(batches=[_EXAMPLE])


class StopAccepted(ApiModel):
    """It is on record that the batch stops; a worker was called, and the tick sees to it, too."""

    id: str
    stop: Literal["cancel", "retry", "move"]

    model_config = example(id="ns-8fK2mQx0Zr8fK2mQx0Zr", stop="cancel")
