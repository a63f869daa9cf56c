"""A lane: the jobs that may travel in one provider batch, since a batch has one endpoint and one model."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Provider, endpoint and model of a batch."""

    provider: str
    endpoint: str
    model: str

    @classmethod
    def parse(cls, name: Any) -> "Lane":
        """The lane that `str(lane)` names; a model's name may hold colons (`ft:gpt-…`). Raises ValueError."""
        parts = str(name).split(":", 2)
        if len(parts) != 3:
            raise ValueError("it names no lane")
        return cls(provider=parts[0], endpoint=parts[1], model=parts[2])

    def __str__(self) -> str:
        return f"{self.provider}:{self.endpoint}:{self.model}"

    @property
    def document_id(self) -> str:
        """Its id in the collection `lanes`, where a slash may not stand."""
        return quote(str(self), safe=":")
