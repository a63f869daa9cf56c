"""When a bulk job will be done: a range of clock times, from how long the lane's parts took.

The last parts are replayed. From each place in the history, the parts that are left take the durations that follow
there, one after another. So hours in which a provider is slow stay together, as they are in truth. Of a part that is
under way, a duration counts only if it is longer than the part's age. A part that waits begins when another one ends.
Each replay ends at some time; the range leaves out the earliest and the latest of them.

It knows no clock. A range never begins in the past, since every replayed part ends after now.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from nightshift.values.texts import Text

# How many durations of a lane are kept, and with how few nothing is foretold.
MAX_HISTORY: Final = 200
MIN_HISTORY: Final = 20
# Which share of the replays ends before the range, and which behind it.
_LEFT_OUT: Final = 0.01
# Of so many replays, all may have been shorter than what is to come.
_MARGIN: Final = 0.2
_LEAST_RANGE: Final = timedelta(minutes=1)
# In real time the pace so far is the measure; it may get faster or slower by this.
_FASTER, _SLOWER = 0.75, 1.5
_LEAST_DONE: Final = 20


@dataclass(frozen=True, kw_only=True)
class Eta:
    """From when to when a bulk job will be done, and on what that rests."""

    from_at: datetime
    to_at: datetime
    # What a person reads of it.
    basis: str
    # Whether it rests on a measure; else it only says by when at the latest.
    is_measured: bool = field(default=True, compare=False)

    def fields(self) -> dict[str, Any]:
        """The field `eta` of the document."""
        return {"from": self.from_at, "to": self.to_at, "basis": self.basis}

    @classmethod
    def read(cls, fields: Any) -> "Eta | None":
        """What a document's field says; None if it says nothing."""
        if not isinstance(fields, Mapping) or not isinstance(fields.get("from"), datetime):
            return None
        return cls(from_at=fields["from"], to_at=fields["to"], basis=str(fields.get("basis")))

    def is_hit(self, ended_at: datetime) -> bool:
        """Whether it has come true."""
        return self.from_at <= ended_at <= self.to_at


def eta_of_parts(
    now: datetime,
    history: Sequence[float],
    *,
    ages_seconds: Sequence[float],
    waiting: int,
    at_once: int,
    latest_at: datetime,
) -> Eta:
    """When parts that are answered in batches are all done.

    Args:
        history: seconds from the submission of a batch to its end, of the lane's last ones, the oldest first.
        ages_seconds: of the parts that are under way.
        waiting: how many parts are not under way yet.
        at_once: how many may be under way together.
        latest_at: when, at the latest, each item is answered or its tokens are back.
    """
    latest_at = max(latest_at, now + _LEAST_RANGE)
    durations = list(history[-MAX_HISTORY:])
    if len(durations) < MIN_HISTORY:
        return _by_then(now, latest_at, Text.ETA_TOO_LITTLE)
    ages = sorted(ages_seconds, reverse=True)
    ends = [_replayed(durations, start, ages, waiting, max(1, at_once)) for start in range(len(durations))]
    foretold = sorted(end for end in ends if end is not None)
    if len(foretold) * 2 < len(ends):
        return _by_then(now, latest_at, Text.ETA_LONGER)
    cut = int(len(foretold) * _LEFT_OUT)
    first, last = foretold[cut] * (1 - _MARGIN), foretold[-1 - cut] * (1 + _MARGIN)
    from_at = now + timedelta(seconds=first)
    to_at = max(now + timedelta(seconds=last), from_at + _LEAST_RANGE)
    return Eta(from_at=from_at, to_at=to_at, basis=Text.ETA_BY_LAST.say(number=len(durations)))


def eta_of_pace(now: datetime, started_at: datetime, *, done: int, left: int, latest_at: datetime) -> Eta:
    """When items that are answered in real time are all done, by how many were since `started_at`."""
    latest_at = max(latest_at, now + _LEAST_RANGE)
    elapsed_seconds = (now - started_at).total_seconds()
    if done < _LEAST_DONE or elapsed_seconds <= 0:
        return _by_then(now, latest_at, Text.ETA_BEGUN)
    seconds = elapsed_seconds * left / done
    from_at = now + timedelta(seconds=seconds * _FASTER)
    to_at = max(now + timedelta(seconds=seconds * _SLOWER), from_at + _LEAST_RANGE)
    return Eta(from_at=from_at, to_at=to_at, basis=Text.ETA_BY_PACE.say())


def _by_then(now: datetime, latest_at: datetime, why: Text) -> Eta:
    """The range that is certain, where nothing better can be said."""
    return Eta(from_at=now, to_at=latest_at, basis=f"{why.say()} {Text.ETA_BY_THEN.say()}", is_measured=False)


def _replayed(
    durations: Sequence[float], start: int, ages_seconds: Sequence[float], waiting: int, at_once: int
) -> float | None:
    """The seconds until the last part ends, if durations follow as they did from `start` on; None if one has none."""
    number = len(durations)
    place = start
    ends: list[float] = []
    for age in ages_seconds:
        for _ in range(number):
            duration = durations[place % number]
            place += 1
            if duration > age:
                ends.append(duration - age)
                break
        else:
            return None
    heapq.heapify(ends)
    last = max(ends, default=0.0)
    for _ in range(waiting):
        begins = 0.0 if len(ends) < at_once else heapq.heappop(ends)
        end = begins + durations[place % number]
        place += 1
        heapq.heappush(ends, end)
        last = max(last, end)
    return last
