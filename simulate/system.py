"""The whole system, as far as time and money go: the way of every job from its write to its end.

    write → trigger (admits) → the lane's queue → a batch → the provider → ingestion → settled
                             ↘ answered in real time by the trigger itself

A part of a bulk job is a batch without triggers. Where work waits for several things at once, the slowest decides.
"""

import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from nightshift.functions import FUNCTIONS
from simulate import limits
from simulate.clock import Clock
from simulate.jobs import Group
from simulate.scenario import Scenario
from simulate.service_times import ServiceTimes
from simulate.stations import Cores, Shared, Station, Work

_SEED: Final = 20261128
# What assembling and sending a batch takes besides the jobs' own share.
_SUBMIT_SECONDS: Final = 5.0


@dataclass(kw_only=True)
class Lane:
    """The jobs that wait for the next batch."""

    waiting: deque[Group] = field(default_factory=deque)
    # One process at a time has the lane's lease.
    is_held: bool = False
    # The last batch was full, and jobs are left.
    was_cut: bool = False
    window_seconds: float = limits.COALESCE_SECONDS
    may_submit_at: float = 0.0

    def submitted(self, now: float, number: int) -> None:
        """A window begins: twice as wide as the one before while many wait, up to a bound, and else as set."""
        as_set = limits.COALESCE_SECONDS
        is_burst = number >= limits.BURST_JOBS
        self.window_seconds = min(2 * self.window_seconds, limits.WIDEST_WINDOWS * as_set) if is_burst else as_set
        self.may_submit_at = now + self.window_seconds


class System:
    """One scenario, played."""

    def __init__(self, scenario: Scenario, times: ServiceTimes, cores: tuple[float, float] | None = None) -> None:
        """Args: `cores` = how many all processes of one machine share, until all is admitted and then; None = cloud."""
        self.scenario = scenario
        self.times = times
        self.clock = Clock()
        self.groups: list[Group] = []
        # The emulator knows no ramp, and its time is that of the machine's cores.
        self.database = Shared(limits.writes_per_second if cores is None else lambda _: math.inf)
        self.provider = Shared(lambda _: scenario.provider_per_second)
        self.batches = 0
        self.lane_writes = Counter[int]()
        self.open_batches = 0
        self.most_open_batches = 0
        self._unadmitted = scenario.jobs
        self._cores = Cores(self.clock, lambda: cores[0 if self._unadmitted else 1]) if cores else None
        self._random = random.Random(_SEED)  # noqa: S311 - a simulation
        self._lane = Lane()
        self._ended = 0
        self.trigger = self._station("on_ai_job_created")
        self.ingestion = self._station("ingest_batch_results")
        self.tick = self._station("process_batch_jobs")
        self.bulk = self._station("answer_bulk_part")

    @property
    def stations(self) -> tuple[Station, ...]:
        """The functions that do the work."""
        return (self.trigger, self.tick, self.ingestion, self.bulk)

    @property
    def admitted_at(self) -> float:
        """When the last job was admitted."""
        return max(group.admitted_at for group in self.groups)

    @property
    def settled_at(self) -> float:
        """When the last job ended."""
        return max(group.settled_at for group in self.groups)

    def run(self) -> None:
        """Play it until every job has ended."""
        for moment, jobs in self.scenario.groups():
            group = Group(jobs=jobs, written_at=moment)
            self.groups.append(group)
            self.clock.at(moment, self._arrival(group))
        self._tick_later(self.scenario.first_tick)
        self.clock.run(lambda: self._ended == len(self.groups))
        for station in self.stations:
            station.close()

    def _station(self, target: str) -> Station:
        function = next(function for function in FUNCTIONS if function.target == target)
        return Station(
            function.name,
            self.clock,
            most_instances=self.scenario.instances.get(target, function.max_instances),
            concurrency=function.concurrency,
            cold_start_seconds=self.times.cold_start,
            shared=lambda now, work: self.database.take(now, work.writes) if work.writes else now,
            cores=self._cores,
        )

    # Admission

    def _arrival(self, group: Group) -> Callable[[], None]:
        is_instant = self._random.random() < self.scenario.instant_share
        if self.scenario.is_bulk:
            return lambda: self._admitted(group)
        if is_instant:
            return lambda: self._answer(group)
        return lambda: self.trigger.add(
            Work(
                jobs=group.jobs,
                done=lambda: self._admitted(group),
                cpu_seconds=self.times.trigger_cpu,
                waiting_seconds=self.times.trigger_waiting,
                writes=group.jobs * 3,
                machine_seconds=group.jobs * self.times.machine_admitting,
            )
        )

    def _answer(self, group: Group) -> None:
        group.admitted_at = self.clock.now
        self._try_answer(group, 1)

    def _try_answer(self, group: Group, attempt: int) -> None:
        if self.clock.now - group.admitted_at >= limits.GIVEN_UP_SECONDS:
            group.is_failed = True
            self._end(group)
            return
        if self._is_out():
            pause = min(120.0, 2.0 * 2 ** min(attempt, 6))
            self.clock.after(pause, lambda: self._try_answer(group, attempt + 1))
            return
        waits = self.provider.take(self.clock.now, group.jobs) - self.clock.now
        self.trigger.add(
            Work(
                jobs=group.jobs,
                done=lambda: self._end(group),
                cpu_seconds=2 * self.times.trigger_cpu,
                waiting_seconds=self.scenario.answer_seconds + waits,
                writes=group.jobs * 5,
            )
        )

    def _admitted(self, group: Group) -> None:
        group.admitted_at = self.clock.now
        self._unadmitted -= group.jobs
        self._lane.waiting.append(group)
        # The trigger that comes when the window is open takes all that has gathered.
        self._submit()

    # Batches

    def _tick_later(self, seconds: float) -> None:
        def tick() -> None:
            for work in self.trigger.overdue(limits.RESCUE_SECONDS, limits.RESCUED_JOBS):
                self.tick.add(replace(work, waiting_seconds=work.waiting_seconds / limits.RESCUED_AT_ONCE))
            self._submit(passes_window=True)
            self._tick_later(self.scenario.tick_seconds)

        self.clock.after(seconds, tick)

    def _submit(self, *, passes_window: bool = False) -> None:
        lane, now = self._lane, self.clock.now
        if lane.is_held or not lane.waiting or self._is_out():
            return
        if not passes_window and now < lane.may_submit_at:
            return
        if self.scenario.is_bulk and self.open_batches >= limits.PARTS_AT_ONCE:
            return
        most = limits.PART_ITEMS if self.scenario.is_bulk else limits.BATCH_REQUESTS
        taken, number = list[Group](), 0
        while lane.waiting and (not taken or number + lane.waiting[0].jobs <= most):
            group = lane.waiting.popleft()
            number += group.jobs
            group.submitted_at = now
            taken.append(group)
        lane.is_held = not self.scenario.is_bulk
        lane.was_cut = bool(lane.waiting)
        if not self.scenario.is_bulk:
            lane.submitted(now, number)
        self.open_batches += 1
        self.most_open_batches = max(self.most_open_batches, self.open_batches)
        self.batches += 1
        self.lane_writes[int(now)] += 2
        station = self.bulk if self.scenario.is_bulk else self.tick
        writes = 0 if self.scenario.is_bulk else number
        if self._cores and not passes_window:
            # The one process that admits also submits, beside what it does: one step after the other.
            seconds = number * self.times.machine_settling / 2
            self._cores.add(self.trigger.name, 1, seconds, lambda: self._submitted(taken, number))
            return
        station.add(
            Work(
                jobs=number,
                done=lambda: self._submitted(taken, number),
                cpu_seconds=self.times.tick_cpu,
                writes=writes,
                machine_seconds=number * self.times.machine_settling / 2,
                after_seconds=_SUBMIT_SECONDS if self._cores is None else 0.0,
            )
        )
        if self.scenario.is_bulk:
            self._submit()

    def _submitted(self, taken: list[Group], number: int) -> None:
        self._lane.is_held = False
        took = self.scenario.batch_seconds * math.exp(self._random.gauss(0.0, self.scenario.batch_spread))
        ends_at = self.clock.now + min(took, 24 * 3600.0)
        if outage := self.scenario.outage:
            begins, seconds = outage
            # What is under way stands still.
            ends_at += seconds if self.clock.now < begins + seconds and ends_at > begins else 0.0
        self.clock.at(ends_at, lambda: self._answered(taken, number))
        if self._lane.was_cut:
            # Who has the lease goes on with the next batch.
            self._submit(passes_window=True)

    def _answered(self, taken: list[Group], number: int) -> None:
        self.open_batches -= 1
        shard = max(1, math.ceil(len(taken) * 2000 / max(number, 1)))
        for first in range(0, len(taken), shard):
            self._ingest(taken[first : first + shard])
        if self.scenario.is_bulk:
            self._submit()

    def _ingest(self, groups: list[Group]) -> None:
        number = sum(group.jobs for group in groups)

        def done() -> None:
            for group in groups:
                self._end(group)

        self.ingestion.add(
            Work(
                jobs=number,
                done=done,
                cpu_seconds=self.times.ingest_cpu / (3 if self.scenario.is_bulk else 1),
                writes=2 if self.scenario.is_bulk else 3 * number,
                machine_seconds=number * self.times.machine_settling / 2,
            )
        )

    def _end(self, group: Group) -> None:
        group.settled_at = self.clock.now
        self._ended += 1

    def _is_out(self) -> bool:
        begins, seconds = self.scenario.outage or (math.inf, 0.0)
        return begins <= self.clock.now < begins + seconds
