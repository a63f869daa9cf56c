"""A batch: one provider batch, and how far it has come.

    assembling → sealed → submitted → ingesting → closing → completed | failed | expired | cancelled

| status | what is on record | what comes next |
|---|---|---|
| assembling | jobs are being claimed, the input file is not complete | write it (again), seal |
| sealed | the input file is whole | upload it, create the provider's batch |
| submitted | `remoteId` | wait for the provider |
| ingesting | the provider's last word: `outcome` and the files' ids | copy the files, settle every line |
| closing | every line is dealt with | what the files left out, price, delete the provider's files |

The four last names are the provider's own outcome. A batch never moves backwards, whatever the provider says.
A holder that goes through `sealed` or `closing` without a stop records it together with its next step.

An operator's wish to stop a batch is recorded on it first. The process that advances the batch next carries it out. A
batch that the provider never had is settled as it is. One that the provider has is cancelled there; what it answered
by then is answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

from nightshift.batches.asked import MembersAsked
from nightshift.batches.counts import Counts
from nightshift.batches.step_error import StepError
from nightshift.batches.tally import Spared
from nightshift.values.lane import Lane
from nightshift.values.outcome import Outcome, Stop
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage, count_of

BatchStatus = Literal[
    "assembling",
    "sealed",
    "submitted",
    "ingesting",
    "closing",
    "completed",
    "failed",
    "expired",
    "cancelled",
]
# `settling` is `closing` as versions before wrote it.
OPEN: Final[tuple[str, ...]] = ("assembling", "sealed", "submitted", "ingesting", "closing", "settling")


def status_of(stored: str) -> BatchStatus:
    """A batch's status by what its document says, also as versions before wrote it."""
    return cast("BatchStatus", "closing" if stored == "settling" else stored)


@dataclass(frozen=True, kw_only=True)
class PartSource:
    """The round of a bulk job's part that a batch asks for."""

    bulk_id: str
    part: int
    round: int

    def fields(self) -> dict[str, Any]:
        """The field `source` of a batch."""
        return {"bulkId": self.bulk_id, "part": self.part, "round": self.round}

    @classmethod
    def read(cls, fields: Any) -> "PartSource | None":
        """The source in a batch's field; None where its members are jobs."""
        if not isinstance(fields, Mapping) or not isinstance(fields.get("bulkId"), str):
            return None
        return cls(bulk_id=fields["bulkId"], part=count_of(fields.get("part")), round=count_of(fields.get("round")))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch as read from `ai_batches/{batchId}`."""

    batch_id: str
    status: BatchStatus
    lane: Lane
    job_count: int
    estimated_tokens: int
    # What it counts against the budget of the day on which it was created.
    budget_usd: float
    # How many requests its input file holds: jobs that ended before it was written anew are not among them.
    request_count: int
    input_file_id: str | None
    # How many creates were sent for it, and when the first was; None = none was ever sent.
    creates: int
    create_sent_at: datetime | None
    # Until when a create that was sent may still take effect at the provider; None = none was ever sent.
    create_lands_by: datetime | None
    remote_id: str | None
    # It was adopted by evidence, and its results have not proven yet that it is ours.
    is_unproven: bool
    # Batches of the provider's that were taken for ours, and whose results proved that they are not.
    disowned: frozenset[str]
    outcome: Outcome | None
    output_file_id: str | None
    error_file_id: str | None
    error_code: str | None
    # Why it failed, or what its lines met; None where there was no trouble that is not a job's own.
    trouble: Trouble | None
    # As in a tally; nothing once it is closed.
    spared: Spared
    # Whether a result file was cut into shards.
    is_cut: bool
    usage: Usage
    # How many jobs ended how, as far as it is known.
    counts: Counts
    created_at: datetime
    # When its input file was written last; until then its creation.
    addressed_at: datetime
    submitted_at: datetime | None
    # Since when we have known that the provider is done, and does not say where the answers are.
    output_missing_since: datetime | None
    # When we learned of the provider's outcome.
    ended_at: datetime | None
    # None while no operator wishes it to stop.
    stop: Stop | None
    # None where its members are jobs.
    source: PartSource | None
    # What was put on record of its members.
    asked: MembersAsked
    # Where they are of several types: what the lines of each used.
    usage_of_types: Mapping[str, Usage]
    # Why its step failed last; None once a step succeeded.
    last_error: StepError | None

    @property
    def is_open(self) -> bool:
        """Whether it still has a step before it."""
        return self.status in OPEN

    @property
    def is_stoppable(self) -> bool:
        """Whether the provider has not ended it yet, as far as is known."""
        return self.status in {"assembling", "sealed", "submitted"}

    @property
    def sent_at(self) -> datetime:
        """When it was submitted, or as long as it is not, created."""
        return self.submitted_at or self.created_at
