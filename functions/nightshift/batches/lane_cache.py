"""What one instance remembers of the lanes, so that a burst of triggers does not read a lane's document each.

A trigger that relies on it leaves its job queued, for the next leader or the tick. A trigger that reads a closed
lane's document does the same. The cached closing time may be too late, if the lane was opened earlier. The job then
waits for the next trigger after that time, or for the tick, which ignores the cache.

One trigger of an instance at a time takes a lane. Triggers that come meanwhile leave their jobs queued. The one that
takes the lane reads the queue after that. If it cannot take the lane, its event comes again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from nightshift.runtime import Runtime
from nightshift.values.lane import Lane

# A leader gives its lane free at any moment.
_LEASE_REMEMBERED: Final = timedelta(seconds=1)


class LaneCache:
    """Until when no trigger need look at a lane, and which lanes are looked at now. It holds one entry per lane."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._window = timedelta(seconds=runtime.settings.coalesce_seconds)
        self._closed_until: dict[Lane, datetime] = {}
        self._looked_at: set[Lane] = set()

    def is_closed(self, lane: Lane) -> bool:
        """Whether a trigger can leave its job queued without looking."""
        closed_until = self._closed_until.get(lane)
        return lane in self._looked_at or (closed_until is not None and self._runtime.now() < closed_until)

    @contextmanager
    def look(self, lane: Lane) -> Iterator[None]:
        """Keep the other triggers of this instance from looking meanwhile."""
        self._looked_at.add(lane)
        try:
            yield
        finally:
            self._looked_at.discard(lane)

    def close(self, lane: Lane, until: datetime) -> None:
        """Remember that no trigger can take the lane before then; without a window, every trigger may look again."""
        if self._window:
            self._closed_until[lane] = until

    def close_while_held(self, lane: Lane) -> None:
        """Remember for a moment that another process holds the lane."""
        self.close(lane, self._runtime.now() + min(_LEASE_REMEMBERED, self._window))
