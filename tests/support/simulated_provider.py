"""A provider and an instance with more jobs than it can take, in simulated time: an hour of calls in a second.

The provider is a bucket of requests that is refilled evenly. What it refuses it refuses at once; what it takes it
answers after some time. What it says of its quota was true when the call came.
"""

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from nightshift.instant.concurrency import Call, CallReport, Concurrency, ProviderQuota


@dataclass(kw_only=True)
class SimulatedProvider:
    """`per_second` requests on the long run, `burst` at once; `latency_seconds` on average, a third more or less."""

    per_second: float
    latency_seconds: float
    burst: float
    refused_after_seconds: float = 0.02
    says_allowance: bool = True
    says_retry_after: bool = True
    # While it holds, every request is refused, or fails.
    trouble: str | None = None
    left: float = field(init=False)
    _counted_at: float = 0.0
    _random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - a simulation

    def __post_init__(self) -> None:
        self.left = self.burst

    def take(self, now: float) -> tuple[float, CallReport]:
        """What becomes of a request, and after how many seconds."""
        self.left = min(self.burst, self.left + (now - self._counted_at) * self.per_second)
        self._counted_at = now
        if self.trouble == "broken":
            return self.latency_seconds, CallReport(verdict="broken")
        if self.trouble == "busy":
            return self.refused_after_seconds, CallReport(verdict="busy")
        if self.left < 1 - 1e-9:
            wait = (1 - self.left) / self.per_second if self.says_retry_after else None
            refused = CallReport(verdict="busy", retry_after_seconds=wait, requests=self._quota())
            return self.refused_after_seconds, refused
        self.left -= 1
        seconds = self.latency_seconds * self._random.uniform(0.7, 1.3)
        return seconds, CallReport(verdict="answered", requests=self._quota())

    def _quota(self) -> ProviderQuota | None:
        if not self.says_allowance:
            return None
        reset_seconds = (self.burst - self.left) / self.per_second
        return ProviderQuota(remaining=int(self.left + 1e-9), reset_seconds=reset_seconds)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A call that has ended."""

    at: float
    verdict: str


class SimulatedInstance:
    """Calls as fast as the state lets it. `jobs` bounds how many it has in flight by itself."""

    def __init__(self, provider: SimulatedProvider, state: Concurrency | None = None, *, jobs: int = 1_000_000) -> None:
        self.provider = provider
        self.state = state or Concurrency()
        self.now = 0.0
        self.most_in_flight = 0
        self.jobs = jobs
        self._order = itertools.count()
        self._under_way: list[tuple[float, int, Call, CallReport]] = []

    def run(self, until: float) -> Iterator[Ended]:
        """Go on until then; yields each call that ends."""
        while True:
            self._start_calls()
            at = self._under_way[0][0] if self._under_way else until
            if self.state.in_flight < min(self.state.limit, self.jobs):
                # A little later than asked for, as a timer is.
                at = min(at, max(self.state.opens_at(self.now), self.now) + 1e-6)
            if at >= until:
                self.now = until
                return
            self.now = at
            while self._under_way and self._under_way[0][0] <= self.now:
                _, _, call, report = heapq.heappop(self._under_way)
                self.state.end(call, self.now, report)
                yield Ended(at=self.now, verdict=report.verdict)

    def _start_calls(self) -> None:
        while self.state.in_flight < self.jobs and (call := self.state.start(self.now)):
            assert self.state.in_flight <= self.state.limit
            self.most_in_flight = max(self.most_in_flight, self.state.in_flight)
            seconds, report = self.provider.take(self.now)
            heapq.heappush(self._under_way, (self.now + seconds, next(self._order), call, report))
