"""How the jobs of a batch left it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from nightshift.values.usage import count_of


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
