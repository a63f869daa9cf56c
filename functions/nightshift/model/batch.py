"""A batch: one provider batch, and how far it has come.

    assembling → sealed → submitted → ingesting → settling → completed | failed | expired | cancelled

| status | what is on record | what comes next |
|---|---|---|
| assembling | jobs are being claimed, the input file is not complete | write it (again), seal |
| sealed | the input file is whole | upload it, create the provider's batch |
| submitted | `remoteId` | wait for the provider |
| ingesting | the provider's last word: `outcome` and the files' ids | copy the files, settle every line |
| settling | every line is dealt with | what the files left out, price, delete the provider's files |

The four last names are the provider's own outcome. A batch never moves backwards, whatever the provider says.
A holder that goes through `sealed` or `settling` without a stop records it together with its next step.

An operator's wish to stop a batch is recorded on it first, and then carried out by whoever advances it: one that the
provider never had is settled as it is, one that it has is cancelled there, and what was answered by then is answered.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from nightshift.model.lane import Lane
from nightshift.model.trouble import Trouble

Outcome = Literal["completed", "failed", "expired", "cancelled"]
# An operator's wish for an open batch: it is stopped, and its jobs without an answer are cancelled, or sent again.
Stop = Literal["cancel", "retry"]
STOPS: Final[tuple[Stop, ...]] = ("cancel", "retry")
BatchStatus = Literal[
    "assembling",
    "sealed",
    "submitted",
    "ingesting",
    "settling",
    "completed",
    "failed",
    "expired",
    "cancelled",
]

OPEN: Final[tuple[BatchStatus, ...]] = ("assembling", "sealed", "submitted", "ingesting", "settling")


# What a document can hold and no real count reaches.
_MOST_COUNTED: Final = 2**53


def count_of(counted: Any) -> int:
    """A count as somebody else states it; 0 for what can be none."""
    is_count = isinstance(counted, int) and not isinstance(counted, bool) and 0 <= counted < _MOST_COUNTED
    return counted if is_count else 0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens that the provider counted."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )

    def fields(self) -> dict[str, int]:
        """The `usage` field of a document."""
        return {"inputTokens": self.input_tokens, "outputTokens": self.output_tokens}

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "Usage":
        """The usage in a document's `usage` field."""
        fields = fields if isinstance(fields, Mapping) else {}
        return cls(input_tokens=count_of(fields.get("inputTokens")), output_tokens=count_of(fields.get("outputTokens")))


NOTHING_USED: Final = Usage()


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How the jobs of a batch left it."""

    completed: int = 0
    failed: int = 0
    # Queued again.
    retried: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """The jobs that have left it."""
        return self.completed + self.failed + self.retried + self.cancelled

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            completed=self.completed + other.completed,
            failed=self.failed + other.failed,
            retried=self.retried + other.retried,
            cancelled=self.cancelled + other.cancelled,
        )

    def fields(self) -> dict[str, int]:
        """The `counts` field of a document."""
        return asdict(self)

    @classmethod
    def read(cls, fields: Any) -> "Counts":
        """The counts in a document's `counts` field."""
        fields = fields if isinstance(fields, Mapping) else {}
        return cls(**{name: count_of(fields.get(name)) for name in NOTHING_SETTLED.fields()})


NOTHING_SETTLED: Final = Counts()


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
    input_file_id: str | None
    # Until when a create that was sent may still take effect at the provider; None = none was ever sent.
    create_lands_by: datetime | None
    remote_id: str | None
    outcome: Outcome | None
    output_file_id: str | None
    error_file_id: str | None
    error_code: str | None
    # Why it failed, or what its lines met; None where there was no trouble that is not a job's own.
    trouble: Trouble | None
    # How often one of its jobs came back through no fault of its own, at most.
    spared: int
    # Whether a result file was cut into shards.
    is_cut: bool
    usage: Usage
    # How many jobs ended how, as far as it is known.
    counts: Counts
    created_at: datetime
    submitted_at: datetime | None
    # Since when we have known that the provider is done, and does not say where the answers are.
    output_missing_since: datetime | None
    # When we learned of the provider's outcome.
    ended_at: datetime | None
    # None while nobody wishes it to stop.
    stop: Stop | None

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


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What some requests are expected to take, before they are answered."""

    # Input tokens.
    tokens: int
    usd: float


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """What one batch may hold."""

    requests: int
    bytes: int
    # Estimated input tokens that the lane may still put in flight; None = no limit.
    tokens: int | None
    # A first request may pass the token limit where nothing is in flight, or it could never be sent.
    lane_is_idle: bool
    # What the day's budget has left; infinite without one.
    usd: float


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much of its limits a batch has filled."""

    limits: BatchLimits
    requests: int = 0
    bytes: int = 0
    tokens: int = 0
    usd: float = 0.0

    @property
    def requests_left(self) -> int:
        """How many more requests may come in."""
        return self.limits.requests - self.requests

    def affords(self, line_usd: float) -> bool:
        """Whether the budget reaches for one more line."""
        return self.usd + line_usd <= self.limits.usd

    def with_line(self, line_bytes: int, line_tokens: int, line_usd: float) -> "Room | None":
        """The room after one more line, or None if it does not fit."""
        filled = replace(
            self,
            requests=self.requests + 1,
            bytes=self.bytes + line_bytes,
            tokens=self.tokens + line_tokens,
            usd=self.usd + line_usd,
        )
        limits = self.limits
        within_tokens = (
            limits.tokens is None or filled.tokens <= limits.tokens or (limits.lane_is_idle and self.requests == 0)
        )
        fits = filled.requests <= limits.requests and filled.bytes <= limits.bytes and within_tokens
        return filled if fits and self.affords(line_usd) else None
