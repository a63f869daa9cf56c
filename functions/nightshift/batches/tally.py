"""What the lines of a result file were, counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.batches.counts import NOTHING_SETTLED, Counts
from nightshift.values.trouble import Trouble, worst
from nightshift.values.usage import NOTHING_USED, Usage, count_of


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of lines, and the tokens that the provider counted for them."""

    # The jobs that left the batch by these lines.
    settled: Counts = NOTHING_SETTLED
    # Not JSON, or without a custom_id of ours, or too long to be an answer.
    malformed: int = 0
    # The job has another line in this file, or was settled before.
    duplicate: int = 0
    # A job that is not in this batch.
    unknown: int = 0
    usage: Usage = NOTHING_USED
    # The worst trouble of its jobs that was not their own, and how often one of them met such a trouble, at most.
    trouble: Trouble | None = None
    spared: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            settled=self.settled + other.settled,
            malformed=self.malformed + other.malformed,
            duplicate=self.duplicate + other.duplicate,
            unknown=self.unknown + other.unknown,
            usage=self.usage + other.usage,
            trouble=worst(self.trouble, other.trouble),
            spared=max(self.spared, other.spared),
        )

    def counts(self) -> dict[str, int]:
        """The counts of lines, by name."""
        return {
            "settled": self.settled.total,
            "malformed": self.malformed,
            "duplicate": self.duplicate,
            "unknown": self.unknown,
        }

    def fields(self) -> dict[str, Any]:
        """The `tally` field of a shard's document."""
        return {
            **self.counts(),
            "settled": self.settled.fields(),
            "usage": self.usage.fields(),
            "trouble": self.trouble.value if self.trouble else None,
            "spared": self.spared,
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "Tally":
        """The tally in a shard's `tally` field; of a shard that is not settled, nothing."""
        fields = fields or {}
        return cls(
            settled=Counts.read(fields.get("settled")),
            malformed=count_of(fields.get("malformed")),
            duplicate=count_of(fields.get("duplicate")),
            unknown=count_of(fields.get("unknown")),
            usage=Usage.read(fields.get("usage")),
            trouble=Trouble.read(fields.get("trouble")),
            spared=count_of(fields.get("spared")),
        )
