"""A lane: the jobs that may travel in one provider batch, since a batch has one endpoint and one model."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Provider, endpoint and model of a batch."""

    provider: str
    endpoint: str
    model: str

    @classmethod
    def parse(cls, name: str) -> "Lane":
        """The lane of a name as `str(lane)` gives it. A model's name may hold colons (`ft:gpt-…`)."""
        provider, endpoint, model = name.split(":", 2)
        return cls(provider=provider, endpoint=endpoint, model=model)

    def __str__(self) -> str:
        return f"{self.provider}:{self.endpoint}:{self.model}"

    @property
    def document_id(self) -> str:
        """Its id in the collection `lanes`, where a slash may not stand."""
        return quote(str(self), safe=":")
