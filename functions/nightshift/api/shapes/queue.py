"""What waits, what holds it back, and the orders that an admin gives."""

from typing import Final, Literal

from pydantic import AwareDatetime, Field, model_validator

from nightshift.api.shapes.common import ApiModel, Time, example
from nightshift.api.shapes.jobs import TypeName

_LANE: Final = "openai:/v1/chat/completions:gpt-5-mini"
_LONGEST_LANE: Final = 300
_LONGEST_BATCH: Final = 100


class SchedulerState(ApiModel):
    """Whether batches are submitted. Polling, ingestion, refunds, deadlines and instant answers always go on."""

    isStopped: bool = Field(description="By an admin: `POST /scheduler/stop`.")
    changedAt: Time | None = None
    changedBy: str | None = None
    window: str | None = Field(None, description="`NIGHTSHIFT_SUBMIT_AT`; left out = at any time.")
    opensAt: Time | None = Field(None, description="When the window opens next; left out = it is open.")
    heldBy: Literal["stopped", "window"] | None = Field(None, description="Left out = batches are submitted.")

    model_config = example(isStopped=False, window="02:00-06:00 Asia/Kolkata", opensAt="2026-11-28T20:30:00.000Z")


class LaneView(ApiModel):
    """The queued jobs of one lane."""

    lane: str
    queued: int
    isCut: bool = Field(description="There are more: no more were counted.")
    oldestQueuedAt: Time | None = None
    lastSubmittedAt: Time | None = None
    backsOffUntil: Time | None = Field(None, description="The provider had no room, or is in trouble.")
    usersWaiting: int = Field(
        0, description="Users whose jobs troubled the provider: theirs wait, and an order sends them last."
    )


class OrderAccepted(ApiModel):
    """An order is on record, and a worker was called; the tick sees to it, too."""

    id: str
    kind: Literal["submit", "retry_jobs"]
    lane: str | None = None
    createdAt: Time

    model_config = example(id="Xq3vQ9aBcDk2mPz0RtYu", kind="submit", createdAt="2026-11-28T10:30:00.000Z")


class OpenOrder(OrderAccepted):
    """An order that is not carried out yet."""

    counts: dict[str, int] = Field(description="Jobs so far, by the status that a retry gave them; `left` = none.")

    model_config = example(
        id="Xq3vQ9aBcDk2mPz0RtYu", kind="retry_jobs", createdAt="2026-11-28T10:30:00.000Z", counts={"queued": 100}
    )


class BulkStanding(ApiModel):
    """The bulk jobs of all users."""

    open: int = Field(description="Those that have not ended.")
    endForetold: int = Field(description="Ended ones whose end was foretold by a measure.")
    endedAsForetold: int = Field(description="Those of them that ended within the first range.")


class Queue(ApiModel):
    """What waits now."""

    queued: int
    isCut: bool = Field(description="There are more: of each lane at most 5,000 are counted.")
    lanes: list[LaneView]
    openBatches: int
    bulk: BulkStanding
    scheduler: SchedulerState
    orders: list[OpenOrder] = Field(description="Those that are not carried out yet.")

    model_config = example(
        queued=312,
        isCut=False,
        lanes=[{"lane": _LANE, "queued": 312, "isCut": False, "oldestQueuedAt": "2026-11-28T10:29:12.000Z"}],
        openBatches=2,
        bulk={"open": 1, "endForetold": 40, "endedAsForetold": 36},
        scheduler={"isStopped": False},
        orders=[],
    )


class SubmitOrder(ApiModel):
    """Which queued jobs are sent now."""

    lane: str | None = Field(
        None, max_length=_LONGEST_LANE, pattern=r"^[^:\s]+:[^:\s]+:\S+$", description="Left out = all lanes."
    )

    model_config = example(lane=_LANE)


class RetryOrder(ApiModel):
    """Which failed jobs run again: those that match all that is given."""

    code: str | None = Field(None, max_length=100, description="Their error code; `cancelled` for cancelled jobs.")
    type: TypeName | None = None
    lane: str | None = Field(None, max_length=_LONGEST_LANE)
    since: AwareDatetime | None = Field(None, description="Failed since then.")
    batch: str | None = Field(None, max_length=_LONGEST_BATCH, description="The batch that they were in last.")

    @model_validator(mode="after")
    def _holds_something(self) -> "RetryOrder":
        if not (self.code or self.type or self.lane or self.since or self.batch):
            raise ValueError("name at least one of code, type, lane, since, batch")
        return self

    model_config = example(code="provider_rejected", since="2026-11-27T22:00:00Z")


class FailedJobs(ApiModel):
    """How many failed jobs match, and what running them again costs. It is free for users whose tokens came back."""

    jobs: int
    charged: int = Field(description="Of these, those that were never charged, and will be.")
    tokens: int = Field(description="What those cost their users, at most.")
    estimatedUsd: float = Field(description="What the provider takes; images, and unknown prices, are not in it.")
    isCut: bool = Field(description="There are more: no more were looked at.")

    model_config = example(jobs=310, charged=0, tokens=0, estimatedUsd=0.12, isCut=False)
