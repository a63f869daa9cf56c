"""Where work is done: functions that grow by instances, and what all of them share."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from simulate.clock import Clock

# Cloud Run stops an instance that was idle for so long.
_IDLE_SECONDS = 900.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """So many jobs for one instance, and what follows."""

    jobs: int
    done: Callable[[], None]
    # What each job takes of an instance's one core, and how long it waits for others meanwhile.
    cpu_seconds: float
    waiting_seconds: float = 0.0
    # Writes to the database, all together, and what the whole takes of a machine on which everything runs.
    writes: float = 0.0
    machine_seconds: float = 0.0
    # Once, after the jobs.
    after_seconds: float = 0.0


class Shared:
    """What all work shares, at so many units a second; the rate may grow with time."""

    def __init__(self, rate_at: Callable[[float], float]) -> None:
        self._rate_at = rate_at
        self._free_at = 0.0
        # For how long it was asked for without a pause, and for how long work waited for it.
        self.used = 0.0
        self.waited_seconds = 0.0

    def take(self, now: float, units: float) -> float:
        """When these units are done."""
        begins_at = max(now, self._free_at)
        self._free_at = begins_at + units / self._rate_at(begins_at)
        self.used += units
        self.waited_seconds = max(self.waited_seconds, begins_at - now)
        return self._free_at


class Station:
    """One function: a queue before instances that start when work waits, up to a number."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        most_instances: int,
        concurrency: int,
        cold_start_seconds: float,
        shared: Callable[[float, Work], float],
    ) -> None:
        """Args: `shared` says when what all functions share is done with a work that begins at a moment."""
        self.name = name
        self.most_instances = most_instances
        self.peak_instances = 0
        self.instance_seconds = 0.0
        self.longest_wait_seconds = 0.0
        # By its own work, and by waiting for what all share.
        self.own_seconds = 0.0
        self.held_seconds = 0.0
        self._clock = clock
        self._concurrency = concurrency
        self._cold_start_seconds = cold_start_seconds
        self._shared = shared
        self._waiting: deque[tuple[float, Work]] = deque()
        self._idle: list[tuple[float, float]] = []
        self._instances = 0

    @property
    def held_share(self) -> float:
        """Of its time, that in which it waited for what all share."""
        return self.held_seconds / ((self.own_seconds + self.held_seconds) or 1.0)

    def add(self, work: Work) -> None:
        """Give it work; it is begun in the order of coming."""
        self._waiting.append((self._clock.now, work))
        self._begin()

    def _begin(self) -> None:
        while self._waiting and self._idle:
            # One that was used last is the warmest.
            idle_since, started_at = self._idle.pop()
            if self._clock.now - idle_since > _IDLE_SECONDS:
                self._instances -= 1
                self.instance_seconds += idle_since + _IDLE_SECONDS - started_at
                continue
            self._serve(started_at)
        if self._waiting and self._instances < self.most_instances:
            self._instances += 1
            self.peak_instances = max(self.peak_instances, self._instances)
            started_at = self._clock.now
            self._clock.after(self._cold_start_seconds, lambda: self._free(started_at))

    def _serve(self, started_at: float) -> None:
        came_at, work = self._waiting.popleft()
        now = self._clock.now
        self.longest_wait_seconds = max(self.longest_wait_seconds, now - came_at)
        # Many jobs of one instance wait at once, but there is one core. Their waiting goes on while others begin.
        per_job = max(work.cpu_seconds, work.waiting_seconds / self._concurrency)
        own_seconds = work.jobs * per_job + work.after_seconds
        is_free_at = max(now + own_seconds, self._shared(now, work))
        self.own_seconds += own_seconds
        self.held_seconds += is_free_at - now - own_seconds
        self._clock.at(is_free_at, lambda: self._free(started_at))
        self._clock.at(is_free_at + work.waiting_seconds, work.done)

    def _free(self, started_at: float) -> None:
        self._idle.append((self._clock.now, started_at))
        self._begin()

    def close(self) -> None:
        """Count the instances that still run."""
        for idle_since, started_at in self._idle:
            self.instance_seconds += min(self._clock.now, idle_since + _IDLE_SECONDS) - started_at
        self._idle.clear()
