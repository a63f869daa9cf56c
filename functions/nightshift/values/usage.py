"""The tokens that a provider counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# What a document can hold and no real count reaches.
_MOST_COUNTED: Final = 2**53


def count_of(counted: Any) -> int:
    """A count as a provider or a document states it; 0 for a value that cannot be a count."""
    is_count = isinstance(counted, int) and not isinstance(counted, bool) and 0 <= counted < _MOST_COUNTED
    return counted if is_count else 0


def usd_of(amount: Any) -> float:
    """An amount of dollars as a document has it; 0 for what can be none."""
    is_amount = isinstance(amount, int | float) and not isinstance(amount, bool) and 0 <= amount < _MOST_COUNTED
    return float(amount) if is_amount else 0.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens that the provider counted."""

    input_tokens: int = 0
    output_tokens: int = 0
    # Of the input tokens: those that the provider read from its cache, at a lower price.
    cached_input_tokens: int = 0

    @classmethod
    def counted(cls, *, input_tokens: Any, output_tokens: Any, cached_input_tokens: Any = 0) -> "Usage":
        """The usage as another party states it; no more of the input can be cached than there is."""
        whole = count_of(input_tokens)
        cached = min(whole, count_of(cached_input_tokens))
        return cls(input_tokens=whole, output_tokens=count_of(output_tokens), cached_input_tokens=cached)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
        )

    def fields(self) -> dict[str, int]:
        """The `usage` field of a document."""
        cached = {"cachedInputTokens": self.cached_input_tokens} if self.cached_input_tokens else {}
        return {"inputTokens": self.input_tokens, "outputTokens": self.output_tokens, **cached}

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "Usage":
        """The usage in a document's `usage` field."""
        fields = fields if isinstance(fields, Mapping) else {}
        return cls.counted(
            input_tokens=fields.get("inputTokens"),
            output_tokens=fields.get("outputTokens"),
            cached_input_tokens=fields.get("cachedInputTokens"),
        )


NOTHING_USED: Final = Usage()
