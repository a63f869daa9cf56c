"""How the members of a closed batch ended, by their type, and why they failed: the field `breakdown` of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nightshift.batches.counts import Counts
from nightshift.values.usage import Usage, count_of


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """What the counts of a batch do not say."""

    # By type. Their sums are the batch's, but for a job that was moved by hand meanwhile.
    counts: Mapping[str, Counts] = field(default_factory=dict)
    # By type, as the lines say it; empty where there is one type.
    usage: Mapping[str, Usage] = field(default_factory=dict)
    # Failed members, by their error code.
    errors: Mapping[str, int] = field(default_factory=dict)
    # Completed members for which nothing was paid.
    free: int = 0

    def fields(self) -> dict[str, Any]:
        """The field of a batch."""
        return {
            "counts": {name: counts.fields() for name, counts in self.counts.items()},
            "usage": {name: usage.fields() for name, usage in self.usage.items()},
            "errors": dict(self.errors),
            "free": self.free,
        }

    @classmethod
    def read(cls, fields: Any) -> "Breakdown":
        """What a batch's field says; nothing of a batch that an older version closed."""
        fields = _mapping(fields)
        return cls(
            counts={str(name): Counts.read(counts) for name, counts in _mapping(fields.get("counts")).items()},
            usage={str(name): Usage.read(_mapping(usage)) for name, usage in _mapping(fields.get("usage")).items()},
            errors={str(code): count_of(number) for code, number in _mapping(fields.get("errors")).items()},
            free=count_of(fields.get("free")),
        )


def _mapping(field_: Any) -> Mapping[Any, Any]:
    return field_ if isinstance(field_, Mapping) else {}
