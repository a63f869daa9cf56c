"""The id of an item at a provider: it stands where a job's id stands, in the `custom_id` of its request."""

from functools import lru_cache
from hashlib import sha256
from typing import Final

_LETTERS: Final = 20


def item_id(bulk_id: str, part: int, index: int) -> str:
    """The id of an item, unique among all bulk jobs and short enough for a job's id."""
    return f"{_stem(bulk_id)}-{part}-{index}"


def index_of(item: str, bulk_id: str, part: int) -> int | None:
    """The index of the item in this part, or None if the id is of no item of it."""
    stem = f"{_stem(bulk_id)}-{part}-"
    number = item.removeprefix(stem)
    return int(number) if item.startswith(stem) and number.isascii() and number.isdigit() and len(number) < 10 else None


@lru_cache(maxsize=256)
def _stem(bulk_id: str) -> str:
    return sha256(bulk_id.encode()).hexdigest()[:_LETTERS]
