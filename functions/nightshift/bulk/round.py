"""One round of a part: what becomes of some of its items, gathered item by item.

It knows no clock and no database. `rounds.py` writes it.
"""

from collections import Counter
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

from nightshift.bulk.bulk_job import MOST_FIRST_ERRORS
from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.part import BulkPart
from nightshift.jobs.settlement import Completed, Failed, Settlement
from nightshift.values.lane import Lane
from nightshift.values.usage import NOTHING_USED


@dataclass(frozen=True, kw_only=True)
class ItemEnd:
    """How an item ended in this round, as its line in Cloud Storage says it."""

    index: int
    status: Literal["completed", "failed", "cancelled"]
    result: dict[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None

    def fields(self) -> dict[str, Any]:
        """The line's fields."""
        if self.status == "completed":
            return {"index": self.index, "status": self.status, "result": self.result}
        told = {"errorCode": self.error_code, "errorMessage": self.error_message}
        return {"index": self.index, "status": self.status, **told}


class Round:
    """A part as a round leaves it."""

    def __init__(self, part: BulkPart) -> None:
        self.part = part
        self.states = part.states.copy()
        self.tries = part.tries.copy()
        # How many items were completed, came back for another round, and ended without an answer.
        self.completed = 0
        self.retried = 0
        self.failed = 0
        self.cancelled = 0
        # What lines cost that brought no answer, and what the answers in real time cost.
        self.failed_usd = 0.0
        self.retried_usd = 0.0
        self.cost_usd = 0.0
        # How many items came back through no fault of their own, and the lane to which the part goes for that.
        self.spared = 0
        self.moved_to: Lane | None = None
        # The first failures, by their index; and all of them, by their code.
        self.errors: dict[int, ItemEnd] = {}
        self.codes: Counter[str] = Counter()
        # What the provider counted for the answers, and how many have no listed price.
        self.usage = NOTHING_USED
        self.unpriced = 0

    @property
    def counts(self) -> BulkCounts:
        """How many of the part's items are open, and how many have ended how, after the round."""
        before = self.part.counts
        return BulkCounts(
            open=before.open - self.completed - self.failed - self.cancelled,
            completed=before.completed + self.completed,
            failed=before.failed + self.failed,
            cancelled=before.cancelled + self.cancelled,
        )

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not (self.completed or self.retried or self.failed or self.cancelled)

    @property
    def refunded(self) -> int:
        """How many items ended without an answer; each gives its price back."""
        return self.failed + self.cancelled

    def of(self, part: BulkPart) -> "Round":
        """The same for a part whose document was read again."""
        again = copy(self)
        again.part = part
        return again

    def settle(self, index: int, settlement: Settlement) -> ItemEnd | None:
        """Note what was judged of an open item; returns how it ended, or None if it is still open."""
        if isinstance(settlement, Completed):
            self.cost_usd += settlement.cost_usd or 0.0
            self.usage += settlement.usage
            self.unpriced += settlement.cost_usd is None
            self.completed += 1
            self.states[index] = "completed"
            return ItemEnd(index=index, status="completed", result=settlement.result.model_dump(mode="json"))
        if isinstance(settlement, Failed):
            usd = settlement.failed_usd
            self.cost_usd += usd
            return self.fail(index, settlement.error_code, settlement.error_message, settlement.status, usd)
        self.cost_usd += settlement.line_usd
        self.retried += 1
        self.retried_usd += settlement.line_usd
        self.spared += settlement.trouble is not None
        self.moved_to = self.moved_to or settlement.moved_to
        # In the other lane it has met nothing yet.
        self.tries.set(index, settlement.attempts, 0 if settlement.moved_to else settlement.spared)
        return None

    def note_attempts(self, index: int, attempts: int) -> None:
        """Note that an open item has spent attempts, and is still asked for."""
        self.retried += 1
        self.tries.set(index, attempts, self.tries.spared(index))

    def fail(
        self,
        index: int,
        code: str,
        message: str,
        status: Literal["failed", "cancelled"] = "failed",
        line_usd: float = 0.0,
    ) -> ItemEnd:
        """Let an open item end without an answer."""
        end = ItemEnd(index=index, status=status, error_code=code, error_message=message)
        if status == "failed":
            self.failed += 1
            self.codes[code] += 1
            if len(self.errors) < MOST_FIRST_ERRORS:
                self.errors[index] = end
        else:
            self.cancelled += 1
        self.failed_usd += line_usd
        self.states[index] = status
        return end
