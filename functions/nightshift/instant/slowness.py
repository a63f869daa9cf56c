"""Whether answers come slowly since too many calls are under way, or since the model is slow by nature.

A server of one's own takes calls that it cannot answer yet: they wait there, and in the end run out of time. Nothing is
refused, so latency alone tells. But some models think for half a minute, and there fewer calls would only mean fewer
answers. Which of the two it is shows when half as many calls are under way. If each answer takes about half as long,
they have waited for each other. If it takes as long as before, that is the model's own time.

The state knows no clock. Times are in seconds.
"""

import math
from dataclasses import dataclass
from typing import Final

_LEAST_ANSWERS: Final = 4
# What is known to be the model's own time may grow by so much before it counts as slow again.
# An answer within such a part of what is slow is quick: it lets the limit grow as ever.
_QUICK: Final = 0.1
_SLACK: Final = 2.0
# Where answers vary, a halved number may not show as half the time. At 0.5 both explanations would be as likely.
_DOUBT: Final = 0.35


@dataclass(frozen=True, kw_only=True)
class _AnswersSeen:
    """The means of some answers: how long they took, and how many calls were under way when theirs began."""

    seconds: float
    under_way: float
    limit: float

    def waited_for_each_other(self, fewer: "_AnswersSeen") -> bool:
        """Whether answers came so much faster with fewer calls that the calls had waited for each other."""
        return fewer.seconds / self.seconds < math.pow(fewer.under_way / self.under_way, _DOUBT)


class Slowness:
    """What the answers of one model say of it."""

    def __init__(self, slow_seconds: float) -> None:
        """Args: answers that take longer than `slow_seconds` on average are looked into."""
        self._slow_seconds = slow_seconds
        self._tried: _AnswersSeen | None = None
        self._number = 0
        self._seconds = self._under_way = 0.0

    def note(self, seconds: float, under_way: int, limit: float) -> float:
        """Note an answer that was asked for under this limit; returns the limit from now on."""
        self._number += 1
        self._seconds += seconds
        self._under_way += under_way
        if self._number < max(_LEAST_ANSWERS, math.ceil(limit)):
            return limit
        seen = _AnswersSeen(seconds=self._seconds / self._number, under_way=self._under_way / self._number, limit=limit)
        self._begin()
        return self._judge(seen)

    def growth(self, seconds: float) -> float:
        """How much of its usual growth, from 0 to 1, the limit may have by an answer that took so long."""
        share = (1.0 - seconds / self._slow_seconds) / (1.0 - _QUICK)
        return 0.0 if self._tried else min(1.0, max(0.0, share))

    def _judge(self, seen: _AnswersSeen) -> float:
        tried = self._tried
        if tried and not tried.waited_for_each_other(seen):
            self._slow_seconds = _SLACK * max(seen.seconds, tried.seconds)
            self._tried = None
            return tried.limit
        self._tried = None
        if seen.seconds > self._slow_seconds and seen.limit > 1:
            self._tried = seen
            return seen.limit / 2
        return seen.limit

    def _begin(self) -> None:
        self._number = 0
        self._seconds = self._under_way = 0.0
