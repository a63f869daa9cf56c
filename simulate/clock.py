"""Simulated time: what is to happen, in the order of its moments. Times are in seconds."""

import heapq
import itertools
from collections.abc import Callable


class Clock:
    """The time now, and all that is to happen later."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, moment: float, happening: Callable[[], None]) -> None:
        """Let something happen at a moment; one that has passed is now."""
        heapq.heappush(self._due, (max(moment, self.now), next(self._order), happening))

    def after(self, seconds: float, happening: Callable[[], None]) -> None:
        """Let something happen in so many seconds."""
        self.at(self.now + seconds, happening)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Go on until it is over, or nothing is due."""
        while self._due and not is_over():
            self.now, _, happening = heapq.heappop(self._due)
            happening()
