"""A server that takes any number of calls and answers few at once, in simulated time: the others wait inside it."""

import heapq
import itertools
import random
from dataclasses import dataclass, field
from typing import Any

from nightshift.instant.concurrency import Call, CallReport, Concurrency


@dataclass(kw_only=True)
class _Asked:
    """A call at the server: it waits there, is answered, or was given up."""

    call: Call
    state: str = "waits"
    place: int = -1


@dataclass(kw_only=True)
class SlowServer:
    """`at_once` answers at a time, each of `least_seconds` to `most_seconds`, for one instance with jobs for all of it.

    A call whose time is up is given up by both sides, and its job is asked for again.
    """

    jobs: int
    state: Concurrency
    at_once: int = 1
    least_seconds: float = 3.0
    most_seconds: float = 18.0
    patience_seconds: float = 60.0
    seed: int = 0
    calls: int = 0
    late: int = 0
    now: float = 0.0
    _events: list[tuple[float, int, str, _Asked]] = field(default_factory=list)
    _waiting: list[_Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a simulation
        self._order = itertools.count()
        self._places: list[_Asked | None] = [None] * self.at_once
        self._left = self.jobs

    @property
    def late_share(self) -> float:
        """Of all calls, those that were asked again since their time was up."""
        return self.late / self.calls

    def run(self) -> None:
        """Go on until every job is answered."""
        answered = 0
        while answered < self.jobs:
            self._ask()
            at = self._events[0][0] if self._events else float("inf")
            opens_at = max(self.now, self.state.opens_at(self.now)) + 1e-6
            if self._left and self.state.in_flight < self.state.limit and opens_at < at:
                self.now = opens_at
                continue
            self.now, _, what, asked = heapq.heappop(self._events)
            answered += self._end(what, asked)
            self._serve()

    def _ask(self) -> None:
        while self._left and (call := self.state.start(self.now)):
            self._left -= 1
            self.calls += 1
            asked = _Asked(call=call)
            usual_seconds = self.state.latency_seconds or 0.0
            self._later(max(self.patience_seconds, min(300.0, 4 * usual_seconds)), "late", asked)
            self._waiting.append(asked)
        self._serve()

    def _end(self, what: str, asked: _Asked) -> int:
        if asked.state in {"answered", "given up"}:
            return 0
        if asked.place >= 0:
            self._places[asked.place] = None
        if what == "late":
            asked.state = "given up"
            self.late += 1
            self._left += 1
            self.state.end(asked.call, self.now, CallReport(verdict="late"))
            return 0
        asked.state = "answered"
        self.state.end(asked.call, self.now, CallReport(verdict="answered"))
        return 1

    def _serve(self) -> None:
        self._waiting = [asked for asked in self._waiting if asked.state == "waits"]
        for place, served in enumerate(self._places):
            if served is None and self._waiting:
                asked = self._waiting.pop(0)
                asked.state, asked.place, self._places[place] = "is served", place, asked
                self._later(self._random.uniform(self.least_seconds, self.most_seconds), "answered", asked)

    def _later(self, seconds: float, what: str, asked: Any) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), what, asked))
