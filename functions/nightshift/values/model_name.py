"""A model by its name, as a setting or a job type gives it: `[provider:]model`.

A name without a provider is OpenAI's, and so is `ft:…`, which is how OpenAI names a model that was tuned. Any other
model whose own name holds a colon, as on a private server, is written with its provider: `openai:llama3.2:3b`.
"""

from dataclasses import dataclass
from typing import Final, Self

from nightshift.functions import PROVIDERS

_OF_A_BARE_MODEL: Final = "openai"
_TUNED: Final = "ft"


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """A provider, and the model by the provider's own name."""

    provider: str
    model: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """The model of this name. Raises ValueError for an unknown provider, or for no model."""
        first, colon, rest = name.partition(":")
        if not colon or first == _TUNED:
            provider, model = _OF_A_BARE_MODEL, name
        elif first in PROVIDERS:
            provider, model = first, rest
        else:
            raise ValueError(f"there is no such provider; a model is [provider:]model, with {', '.join(PROVIDERS)}")
        if not model or model != model.strip():
            raise ValueError("it names no model")
        return cls(provider=provider, model=model)
