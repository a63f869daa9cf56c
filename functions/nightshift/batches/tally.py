"""What the lines of a result file were, counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nightshift.batches.counts import NOTHING_SETTLED, Counts
from nightshift.values.trouble import Trouble, worst
from nightshift.values.usage import NOTHING_USED, Usage, count_of

# User → how often a job of the user met a trouble that was not its own. Two users tell an outage from one's requests.
Spared = Mapping[str, int]


def most_spared(each: Iterable[tuple[str, int]]) -> Spared:
    """The two users whose jobs met such a trouble most often."""
    most: dict[str, int] = {}
    for user_id, times in each:
        most[user_id] = max(times, most.get(user_id, 0))
    return dict(sorted(most.items(), key=lambda one: (-one[1], one[0]))[:2])


def read_spared(field: Any) -> Spared:
    """The `spared` field of a batch or of a shard's tally."""
    return {user_id: count_of(times) for user_id, times in field.items()} if isinstance(field, Mapping) else {}


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
    # The worst trouble of its jobs that was not their own. Of two users who met such a trouble, those whose jobs met it
    # most often: how often one of the user's jobs did.
    trouble: Trouble | None = None
    spared: Spared = field(default_factory=dict)
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
            spared=most_spared([*self.spared.items(), *other.spared.items()]),
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
            "spared": dict(self.spared),
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
            spared=read_spared(fields.get("spared")),
            of_types=read_usages(fields.get("usageOfTypes")),
        )


def added(some: Mapping[str, Usage], others: Mapping[str, Usage]) -> dict[str, Usage]:
    """The usage of each type in both together."""
    return {name: some.get(name, NOTHING_USED) + others.get(name, NOTHING_USED) for name in {**some, **others}}


def read_usages(fields: Any) -> dict[str, Usage]:
    """The usage of each type in a document's field."""
    fields = fields if isinstance(fields, Mapping) else {}
    return {str(name): Usage.read(usage) for name, usage in fields.items()}
