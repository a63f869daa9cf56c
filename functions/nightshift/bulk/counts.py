"""How the items of a bulk job, or of one of its parts, stand."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nightshift.values.usage import count_of


@dataclass(frozen=True, kw_only=True)
class BulkCounts:
    """How many items are where. Rows that are invalid have failed; they were never charged."""

    open: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All items."""
        return self.open + self.completed + self.failed + self.cancelled

    @property
    def ended(self) -> int:
        """Items that are not open any more."""
        return self.total - self.open

    @property
    def progress(self) -> float:
        """The share of items that have ended, from 0 to 1."""
        return 1.0 if not self.total else self.ended / self.total

    def __add__(self, other: "BulkCounts") -> "BulkCounts":
        return BulkCounts(
            open=self.open + other.open,
            completed=self.completed + other.completed,
            failed=self.failed + other.failed,
            cancelled=self.cancelled + other.cancelled,
        )

    def fields(self) -> dict[str, int]:
        """The field of a document."""
        return {"total": self.total, **asdict(self)}

    @classmethod
    def read(cls, fields: Any) -> "BulkCounts":
        """The counts in a document's field."""
        fields = fields if isinstance(fields, Mapping) else {}
        return cls(**{name: count_of(fields.get(name)) for name in ("open", "completed", "failed", "cancelled")})
