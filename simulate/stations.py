"""Where work is done: functions that grow by instances, and what all of them share."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from simulate.clock import Clock

# Cloud Run stops an instance that was idle for so long.
_IDLE_SECONDS = 900.0
_NOTHING_LEFT = 1e-9
# Of the time of a process that admits jobs and submits a batch beside it, admissions take so many parts to one: found
# by the run of 2026-11-28, whose submissions took that long.
STEPS_AT_ONCE = 3


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


@dataclass(kw_only=True)
class _Computing:
    process: str
    parts: int
    seconds_left: float
    done: Callable[[], None]


class Cores:
    """The cores of one machine on which everything runs.

    Processes share them evenly. Works of one process share its time by their parts.
    """

    def __init__(self, clock: Clock, number: Callable[[], float]) -> None:
        self._clock = clock
        self._number = number
        self._under_way: list[_Computing] = []
        self._counted_at = 0.0
        self._cores_in_use = 0.0
        self._plan = 0

    def add(self, process: str, parts: int, seconds: float, done: Callable[[], None]) -> None:
        """Compute for so many seconds of one core, and then go on."""
        self._count()
        self._under_way.append(_Computing(process=process, parts=parts, seconds_left=seconds, done=done))
        self._share()

    def _cores_of(self, each: _Computing) -> float:
        of_processes = Counter[str]()
        for other in self._under_way:
            of_processes[other.process] += other.parts
        return self._cores_in_use / len(of_processes) * each.parts / of_processes[each.process]

    def _count(self) -> None:
        """Take off what was computed since the cores were shared out."""
        passed, self._counted_at = self._clock.now - self._counted_at, self._clock.now
        computed = [passed * self._cores_of(each) for each in self._under_way]
        for each, seconds in zip(self._under_way, computed, strict=True):
            each.seconds_left -= seconds

    def _share(self) -> None:
        self._plan += 1
        self._cores_in_use = self._number()
        if self._under_way:
            plan = self._plan
            least = min(max(0.0, each.seconds_left) / self._cores_of(each) for each in self._under_way)
            self._clock.after(least, lambda: self._end(plan))

    def _end(self, plan: int) -> None:
        if plan != self._plan:
            # Something came in between, and the cores were shared out anew.
            return
        self._count()
        ended = [each for each in self._under_way if each.seconds_left <= _NOTHING_LEFT]
        self._under_way = [each for each in self._under_way if each.seconds_left > _NOTHING_LEFT]
        self._share()
        for each in ended:
            each.done()


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
        cores: Cores | None = None,
    ) -> None:
        """Args:
        shared: says when what all functions share is done with a work that begins at a moment.
        cores: of the one machine on which everything runs; None = in the cloud, where each instance has its own.
        """
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
        self._cores = cores
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

    def overdue(self, seconds: float, most_jobs: int) -> list[Work]:
        """Take back work that has waited for longer than this, the oldest first, for another function to do."""
        taken: list[Work] = []
        jobs = 0
        while self._waiting and self._clock.now - self._waiting[0][0] > seconds and jobs < most_jobs:
            _, work = self._waiting.popleft()
            jobs += work.jobs
            taken.append(work)
        return taken

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

        def end() -> None:
            ends_at = max(is_free_at, self._clock.now)
            self.held_seconds += ends_at - now - own_seconds
            self._clock.at(ends_at, lambda: self._free(started_at))
            self._clock.at(ends_at + work.waiting_seconds, work.done)

        if self._cores is None:
            end()
        else:
            self._cores.add(self.name, STEPS_AT_ONCE, work.machine_seconds, end)

    def _free(self, started_at: float) -> None:
        self._idle.append((self._clock.now, started_at))
        self._begin()

    def close(self) -> None:
        """Count the instances that still run."""
        for idle_since, started_at in self._idle:
            self.instance_seconds += min(self._clock.now, idle_since + _IDLE_SECONDS) - started_at
        self._idle.clear()
