"""A number of tokens."""

from math import isfinite
from typing import Any, Final

# Far below what a document's integer can hold, so a sum never overflows.
_MOST_TOKENS: Final = 2**53


def tokens_of(number: Any) -> int:
    """A number of tokens as a document has it. Anything else counts as 0, so it stops no other user's jobs."""
    is_number = isinstance(number, int | float) and isfinite(number) and abs(number) < _MOST_TOKENS
    return int(number) if is_number else 0
