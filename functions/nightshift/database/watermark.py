"""How far documents were counted that lie in the order of a time and their ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Watermark:
    """Behind which document a source goes on; its documents lie in the order of time and id."""

    at: datetime = _LONG_AGO
    name: str = ""

    def has_passed(self, at: datetime, name: str) -> bool:
        """Whether this document was counted."""
        return (at, name) <= (self.at, self.name)

    def fields(self) -> dict[str, Any]:
        """As the state has it."""
        return {"at": self.at, "id": self.name}

    @classmethod
    def read(cls, fields: Any) -> "Watermark":
        """A watermark of the state; the beginning, where the state has no watermark."""
        at = fields.get("at") if isinstance(fields, Mapping) else None
        return cls(at=at, name=str(fields["id"])) if isinstance(at, datetime) else cls()
