"""The states of a part's items: two bits an item, four items a byte, the first in the lowest bits.

So all states of 50,000 items are 12.5 kB. An item's place in its part is its index, from 0.
"""

from collections.abc import Iterator
from typing import Final, Literal

from nightshift.bulk.counts import BulkCounts

ItemState = Literal["open", "completed", "failed", "cancelled"]
ITEM_STATES: Final[tuple[ItemState, ...]] = ("open", "completed", "failed", "cancelled")
_CODES: Final = {state: code for code, state in enumerate(ITEM_STATES)}


class States:
    """The states of a part's items, as they change."""

    def __init__(self, number: int, packed: bytes = b"") -> None:
        self.number = number
        self._packed = bytearray(packed.ljust((number + 3) // 4, b"\0"))

    def __getitem__(self, index: int) -> ItemState:
        return ITEM_STATES[self._packed[index // 4] >> index % 4 * 2 & 3]

    def __setitem__(self, index: int, state: ItemState) -> None:
        shift = index % 4 * 2
        self._packed[index // 4] = self._packed[index // 4] & ~(3 << shift) | _CODES[state] << shift

    def __iter__(self) -> Iterator[ItemState]:
        return (self[index] for index in range(self.number))

    def packed(self) -> bytes:
        """As a document has them."""
        return bytes(self._packed)

    def copy(self) -> "States":
        """The same, to be changed by itself."""
        return States(self.number, self.packed())


def counted(states: States) -> BulkCounts:
    """How many items are in each state."""
    found = list(states)
    return BulkCounts(**{state: found.count(state) for state in ITEM_STATES})
