"""How long before its deadline a batch job is taken out of the batch lane, to be answered in real time.

The margin is learned: how long such jobs took from when they were taken out to their answer, retries included. Nineteen
of twenty have to fit, twice over, and the time until the next look comes on top. What is learned follows what was seen
of late and forgets one bad hour. But a bad hour widens the margin at once by a part of what it was.
"""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import Final

# Jobs near their deadline are looked for every minute (nightshift/functions.py).
_LOOK_EVERY: Final = timedelta(minutes=1)
_SHORTEST: Final = timedelta(minutes=2)
# Beyond it the provider is down, and no margin helps.
LONGEST: Final = timedelta(minutes=30)
_TIMES_LEARNED: Final = 2.0
_SHARE: Final = 0.95
# Of the newest figure in what is learned.
_WEIGHT: Final = 0.3


def margin(learned_seconds: float) -> timedelta:
    """The margin, from what was learned; 0 where nothing was."""
    return min(LONGEST, max(_SHORTEST, _TIMES_LEARNED * timedelta(seconds=learned_seconds) + _LOOK_EVERY))


def learned(before_seconds: float, seen_seconds: Sequence[float]) -> float:
    """What is learned once these answers were seen, at least one: 19 of 20 come within so many seconds."""
    in_order = sorted(min(seconds, LONGEST.total_seconds()) for seconds in seen_seconds)
    seen = in_order[ceil(_SHARE * len(in_order)) - 1]
    return _WEIGHT * seen + (1 - _WEIGHT) * before_seconds if before_seconds else seen
