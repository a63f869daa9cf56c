"""The whole story of a job, for admins."""

from typing import Final

from pydantic import Field

from nightshift.api.shapes.batches import BatchView
from nightshift.api.shapes.common import ApiModel, Time, example
from nightshift.api.shapes.jobs import JobSummary

_JOB: Final = {"id": "Xq3vQ9aBcDk2mPz0RtYu", "userId": "kX3vQ9aBcD", "type": "waste_classification", "status": "failed"}


class StoryJob(JobSummary):
    """A job without what its user wrote and got."""

    lane: str | None = None
    provider: str | None = None
    model: str | None = None
    usage: dict[str, int] | None = None
    costUsd: float | None = None
    formerBatchIds: list[str] | None = Field(None, description="The batches that it has left.")
    waitsFor: str | None = None


class LedgerEntry(ApiModel):
    """One entry of the wallet of the job's user that is about the job."""

    id: str
    kind: str | None = None
    amount: int | None = None
    createdAt: Time | None = None


class JobStory(ApiModel):
    """Where a job is, what happens next, and all that the database holds of it but its content."""

    standing: str = Field(description="In sentences; its times are UTC, as `2026-11-28T10:30:00Z`.")
    job: StoryJob
    ledger: list[LedgerEntry] = Field(description="Its charge, and its refund.")
    balance: int | None = Field(None, description="Of its user's wallet.")
    batch: BatchView | None = None
    hasClassification: bool
    hasNotification: bool
    notificationRead: bool | None = None

    model_config = example(
        standing="It failed on 2026-11-28T10:30:00Z with result_invalid: The answer could not be used. 1 token charged "
        "and given back.",
        job=_JOB,
        ledger=[{"id": "Xq3vQ9aBcDk2mPz0RtYu.charge", "kind": "charge", "amount": -1}],
        balance=7,
        hasClassification=False,
        hasNotification=True,
        notificationRead=False,
    )
