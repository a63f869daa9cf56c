"""What the lines of a result file were, counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    # Of the usage that of each type of jobs.
    of_types: Mapping[str, Usage] = field(default_factory=dict)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            settled=self.settled + other.settled,
            malformed=self.malformed + other.malformed,
            duplicate=self.duplicate + other.duplicate,
            unknown=self.unknown + other.unknown,
            usage=self.usage + other.usage,
            trouble=worst(self.trouble, other.trouble),
            spared=max(self.spared, other.spared),
            of_types=added(self.of_types, other.of_types),
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
            "usageOfTypes": self.usage_fields(),
        }

    def usage_fields(self) -> dict[str, Any]:
        """The field `usageOfTypes` of a shard, and of a batch with several types."""
        return {name: usage.fields() for name, usage in self.of_types.items()}

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
            of_types=read_usages(fields.get("usageOfTypes")),
        )


def added(some: Mapping[str, Usage], others: Mapping[str, Usage]) -> dict[str, Usage]:
    """The usage of each type in both together."""
    return {name: some.get(name, NOTHING_USED) + others.get(name, NOTHING_USED) for name in {**some, **others}}


def read_usages(fields: Any) -> dict[str, Usage]:
    """The usage of each type in a document's field."""
    fields = fields if isinstance(fields, Mapping) else {}
    return {str(name): Usage.read(usage) for name, usage in fields.items()}
