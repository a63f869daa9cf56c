"""A part of a bulk job: some thousand rows, and how far they have come.

    waiting ⇄ running → closed

| status | what is on record | what comes next |
|---|---|---|
| waiting | items that are open | start it: as a provider batch, or with a worker that answers it in real time |
| running | `batchId`, or a worker's lease | the batch ends, or the worker checks in |
| closed | no item is open | nothing, unless what failed is run again |

A round is what changes a part: a batch that was closed, a worker's check-in, a cancellation. Each is one commit. It
moves the states, and refunds what failed. Before it, what became of the round's items was written into an object of
its own. So a round counts once, however often it is tried.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.states import States
from nightshift.values.day_sums import DaySums
from nightshift.values.lane import Lane

PartStatus = Literal["waiting", "running", "closed"]
PART_STATUSES: Final[tuple[PartStatus, ...]] = ("waiting", "running", "closed")
_MOST_COUNTED: Final = 255


class Tries:
    """How often each item of a part was tried: two bytes an item.

    The first counts the attempts that were spent, the second how often the item came back through no fault of its own.
    """

    def __init__(self, number: int, packed: bytes = b"") -> None:
        self._number = number
        self._packed = bytearray(packed.ljust(2 * number, b"\0"))

    def attempts(self, index: int) -> int:
        """The attempts that an item has spent."""
        return self._packed[2 * index]

    def spared(self, index: int) -> int:
        """How often an item came back through no fault of its own."""
        return self._packed[2 * index + 1]

    def set(self, index: int, attempts: int, spared: int) -> None:
        """Note both of an item."""
        self._packed[2 * index] = min(attempts, _MOST_COUNTED)
        self._packed[2 * index + 1] = min(spared, _MOST_COUNTED)

    def packed(self) -> bytes | None:
        """As a document has them; None if no item was tried in vain."""
        return bytes(self._packed) if any(self._packed) else None

    def copy(self) -> "Tries":
        """The same, to be changed by itself."""
        return Tries(self._number, bytes(self._packed))


@dataclass(frozen=True, kw_only=True)
class BulkPart:
    """A part as read from `bulk_jobs/{bulkId}/parts/{n}`."""

    bulk_id: str
    user_id: str
    # From 1.
    part: int
    status: PartStatus
    first_row: int
    last_row: int
    # How many rows it holds, invalid ones and duplicates included: an index is below it.
    rows: int
    counts: BulkCounts
    states: States
    tries: Tries
    # The number of the round that is under way, or comes next; from 1.
    round: int
    # The names of the rounds' objects, in the order of the rounds; a round in which no item ended has none.
    rounds: tuple[str, ...]
    # The name of the object that holds its rows.
    rows_name: str
    # The batch of the round under way, and the last index that it asks for.
    batch_id: str | None
    through: int | None
    # The lane to which it was moved; None = it is in the bulk job's own.
    lane: Lane | None
    # Since when items came back through no fault of their own, and none of the part's was answered; None = that passed.
    spared_since: datetime | None
    # When its batch was made; in real time, when it was asked for first, and when a worker may come again.
    started_at: datetime | None
    next_attempt_at: datetime | None
    # What rounds cost that brought no answer, and that no failure has counted yet.
    uncounted_usd: float
    # What its answers in real time have cost.
    cost_usd: float
    # What ended without a batch, by the day; and of that what the history has not counted yet.
    days: Mapping[str, DaySums]
    uncounted_days: Mapping[str, DaySums]
    # Its share of `firstErrors`.
    first_errors: tuple[dict[str, Any], ...]
    # Where the source goes on behind it.
    ends_at: Any
    # Until when a process has its lease; None = it is free.
    held_until: datetime | None
    # By the server's clock, when the request came that wrote it last.
    updated_at: datetime | None
    update_time: datetime

    def is_held(self, now: datetime) -> bool:
        """Whether a process may still be at work on it."""
        return self.held_until is not None and now < self.held_until
