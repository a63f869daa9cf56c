"""What ended, added up: the content of `metrics_days/{day}`. It knows no clock and no database."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final, Literal

from nightshift.values.usage import count_of, usd_of
from nightshift.values.waits import WaitHistogram

Mode = Literal["batch", "instant"]
# More are added up under `other`: a document holds a megabyte, and names come from providers.
_MOST_CODES: Final = 50
_OTHER: Final = "other"


@dataclass(frozen=True, kw_only=True, order=True)
class GroupKey:
    """Of what a sum is."""

    type: str
    provider: str
    model: str
    mode: Mode

    def fields(self) -> dict[str, str]:
        """As a document has them."""
        return {"type": self.type, "provider": self.provider, "model": self.model, "mode": self.mode}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> "GroupKey":
        """The key in a group of a document."""
        return cls(
            type=str(fields.get("type")),
            provider=str(fields.get("provider")),
            model=str(fields.get("model")),
            mode="instant" if fields.get("mode") == "instant" else "batch",
        )


@dataclass(frozen=True, kw_only=True)
class EndSums:
    """What ended, what it cost, and how long it took."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    # Left a batch to be sent again; each counts anew when it ends.
    retried: int = 0
    # What users paid for the completed answers.
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    realtime_cost_usd: float = 0.0
    # Completed answers of models without a listed price: they are in no sum of dollars.
    unpriced: int = 0
    # Bulk jobs that ended within the range that was foretold when they began, and those that did not.
    eta_hits: int = 0
    eta_misses: int = 0
    waits: WaitHistogram = field(default_factory=WaitHistogram)

    def __add__(self, other: "EndSums") -> "EndSums":
        names = (each.name for each in fields(self))
        return EndSums(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def less(self, other: "EndSums") -> "EndSums":
        """The numbers without those of another, which is a part of it. How long was waited is left as it is."""
        numbers = {name: getattr(self, name) - getattr(other, name) for name in _NUMBERS.values()}
        return replace(self, **numbers)

    def without_waits(self) -> "EndSums":
        """The same without the histogram."""
        return replace(self, waits=WaitHistogram())

    @property
    def saved_usd(self) -> float:
        """What the same answers had cost more in real time."""
        return self.realtime_cost_usd - self.cost_usd

    @property
    def success_rate(self) -> float | None:
        """Completed, of completed and failed; None if none ended."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None

    @property
    def usd_per_completed_job(self) -> float | None:
        """What an answer cost; None if no answer has a price."""
        priced = self.completed - self.unpriced
        return self.cost_usd / priced if priced > 0 else None

    def fields(self) -> dict[str, Any]:
        """As a document has them; what is 0 is left out."""
        numbers = {name: getattr(self, attribute) for name, attribute in _NUMBERS.items()}
        waits = {"waits": self.waits.packed()} if self.waits.bars else {}
        return {name: number for name, number in numbers.items() if number} | waits

    @classmethod
    def read(cls, fields: Any) -> "EndSums":
        """The sums in a document's field."""
        fields = fields if isinstance(fields, Mapping) else {}
        numbers: dict[str, Any] = {
            attribute: (usd_of if attribute.endswith("_usd") else count_of)(fields.get(name))
            for name, attribute in _NUMBERS.items()
        }
        return cls(**numbers, waits=WaitHistogram.read(fields.get("waits")))


_NUMBERS: Final = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "retried": "retried",
    "tokens": "tokens",
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "costUsd": "cost_usd",
    "realtimeCostUsd": "realtime_cost_usd",
    "unpriced": "unpriced",
    "etaHits": "eta_hits",
    "etaMisses": "eta_misses",
}
NO_SUMS: Final = EndSums()


def total_of(sums: Iterable[EndSums]) -> EndSums:
    """All of them added up."""
    total = NO_SUMS
    for each in sums:
        total += each
    return total


@dataclass(frozen=True, kw_only=True)
class DaySums:
    """What is counted on one day, in UTC, by type, provider, model and mode."""

    groups: Mapping[GroupKey, EndSums] = field(default_factory=dict)
    # Failed jobs and items, by their error code.
    errors: Mapping[str, int] = field(default_factory=dict)
    # Batches, by their outcome; and those that were moved to another lane, or stopped by an admin.
    batches: Mapping[str, int] = field(default_factory=dict)
    moved: int = 0
    stopped: int = 0

    def __add__(self, other: "DaySums") -> "DaySums":
        groups = dict(self.groups)
        for key, sums in other.groups.items():
            groups[key] = groups.get(key, NO_SUMS) + sums
        return DaySums(
            groups=groups,
            errors=dict(Counter(self.errors) + Counter(other.errors)),
            batches=dict(Counter(self.batches) + Counter(other.batches)),
            moved=self.moved + other.moved,
            stopped=self.stopped + other.stopped,
        )

    def __sub__(self, other: "DaySums") -> "DaySums":
        """The groups without those of another, which is a part of it. How long was waited is left as it is."""
        groups = {key: sums.less(other.groups.get(key, NO_SUMS)) for key, sums in self.groups.items()}
        return replace(self, groups=groups, errors=dict(Counter(self.errors) - Counter(other.errors)))

    @cached_property
    def total(self) -> EndSums:
        """All groups added up."""
        return total_of(self.groups.values())

    def only(self, **wanted: str | None) -> "DaySums":
        """The groups whose key has these values; None wants any."""
        asked = {name: one for name, one in wanted.items() if one is not None}
        fitting = {key: sums for key, sums in self.groups.items() if asked.items() <= key.fields().items()}
        return replace(self, groups=fitting)

    def fields(self) -> dict[str, Any]:
        """The document's."""
        ordered = sorted(self.errors.items(), key=lambda one: (-one[1], one[0]))
        errors, rest = dict(ordered[:_MOST_CODES]), sum(number for _, number in ordered[_MOST_CODES:])
        if rest:
            errors[_OTHER] = errors.get(_OTHER, 0) + rest
        return {
            "groups": [{**key.fields(), **sums.fields()} for key, sums in sorted(self.groups.items())],
            "errors": errors,
            "batches": dict(self.batches),
            "moved": self.moved,
            "stopped": self.stopped,
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "DaySums":
        """What a document says; of one that is not there, nothing."""
        fields = fields or {}
        groups = [group for group in fields.get("groups") or () if isinstance(group, Mapping)]
        return cls(
            groups={GroupKey.read(group): EndSums.read(group) for group in groups},
            errors=_counts(fields.get("errors")),
            batches=_counts(fields.get("batches")),
            moved=count_of(fields.get("moved")),
            stopped=count_of(fields.get("stopped")),
        )


def _counts(fields: Any) -> dict[str, int]:
    fields = fields if isinstance(fields, Mapping) else {}
    return {str(name): number for name, counted in fields.items() if (number := count_of(counted))}


def read_by_day(fields: Any) -> dict[str, DaySums]:
    """The sums of each day in a document's field."""
    fields = fields if isinstance(fields, Mapping) else {}
    return {str(day): DaySums.read(sums) for day, sums in fields.items() if isinstance(sums, Mapping)}


def added_by_day(some: Mapping[str, DaySums], others: Mapping[str, DaySums]) -> dict[str, DaySums]:
    """The sums of each day in both together."""
    return {day: some.get(day, _NOTHING) + others.get(day, _NOTHING) for day in {**some, **others}}


def fields_by_day(sums: Mapping[str, DaySums]) -> dict[str, Any]:
    """A document's field."""
    return {day: of_day.fields() for day, of_day in sums.items()}


_NOTHING: Final = DaySums()
