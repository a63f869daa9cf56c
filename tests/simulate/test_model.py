"""The model of the whole system: it is held to a real run, and says what must be so."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.results import recorded
from simulate import limits
from simulate.bench_burst import predicted
from simulate.clock import Clock
from simulate.jobs import Group, wait_at
from simulate.outcome import outcome_of
from simulate.scenario import DAY, HOUR, Scenario
from simulate.service_times import ServiceTimes
from simulate.stations import Cores, Shared, Station, Work
from simulate.system import System

TIMES = ServiceTimes(trigger_cpu=0.003, ingest_cpu=0.001, tick_cpu=0.001, writes=7.0, reads=4.0)


def played(times: ServiceTimes = TIMES, **changes: object) -> System:
    """A scenario, played to its end."""
    scenario: dict[str, object] = {"name": "test", "jobs": 10_000, "arriving": HOUR, "batch_spread": 0.0}
    system = System(Scenario(**(scenario | changes)), times)  # type: ignore[arg-type] # of many types
    system.run()
    return system


def test_the_burst_of_the_bench_is_foretold_within_a_quarter() -> None:
    """Its admission and its end, by the service times of that very run and the cores that were left for it."""
    numbers = recorded("burst")
    system = predicted(numbers)
    assert system.admitted_at == pytest.approx(numbers["admitted_seconds"], rel=0.25)
    assert system.settled_at == pytest.approx(numbers["settled_seconds"], rel=0.25)


def test_the_last_jobs_of_a_burst_wait_for_the_next_tick() -> None:
    """The window has doubled: when it opens, no trigger comes any more."""
    soon, later = (played(jobs=10_000, arriving=40.0, batch_seconds=2.0, first_tick=at) for at in (100.0, 160.0))
    assert later.settled_at - soon.settled_at == pytest.approx(60.0)
    assert 100 < soon.settled_at < 160


def test_every_job_ends_and_no_batch_is_too_large() -> None:
    """However many come at once."""
    system = played(jobs=200_000, arriving=10.0)
    assert sum(group.jobs for group in system.groups) == 200_000
    assert all(
        group.settled_at >= group.submitted_at >= group.admitted_at >= group.written_at for group in system.groups
    )
    assert system.batches >= 200_000 / limits.BATCH_REQUESTS


def test_a_burst_takes_as_long_as_the_instances_and_the_database_need() -> None:
    """The slower of the two decides: here the database, which takes more writes only by and by."""
    system = played(jobs=600_000, arriving=1.0, instances={"on_ai_job_created": 1_000})
    assert system.admitted_at > 600_000 * 3 / limits.writes_per_second(HOUR)
    assert outcome_of(system).gives_first.startswith("Firestore's ramp of writes")


def test_more_instances_admit_a_burst_sooner() -> None:
    """As long as nothing else is short."""
    slow = replace(TIMES, trigger_cpu=0.03)
    few, many = (played(slow, jobs=9_000, arriving=1.0, instances={"on_ai_job_created": n}) for n in (1, 4))
    assert many.admitted_at < few.admitted_at
    assert (few.trigger.peak_instances, many.trigger.peak_instances) == (1, 4)


def test_in_an_outage_batches_wait_and_early_instant_jobs_are_given_up() -> None:
    """Six hours are as long as an answer in real time is tried for."""
    system = played(jobs=24_000, arriving=DAY, instant_share=0.5, outage=(10 * HOUR, 6.5 * HOUR))
    failed = [group for group in system.groups if group.is_failed]
    assert failed
    assert all(10 * HOUR - 60 < group.written_at < 10.6 * HOUR for group in failed)
    assert all(not 10 * HOUR < group.submitted_at < 16.5 * HOUR for group in system.groups)


def test_a_bulk_job_has_ten_parts_under_way() -> None:
    """So its rows wait for each other, and that is what gives first."""
    system = played(jobs=100_000, arriving=1.0, is_bulk=True)
    assert system.most_open_batches == limits.PARTS_AT_ONCE
    assert outcome_of(system).gives_first.startswith("ten parts of a bulk job at once")


def test_happenings_come_in_the_order_of_their_moments() -> None:
    """Also those of one moment, which come as they were given."""
    clock, seen = Clock(), list[str]()
    clock.at(2.0, lambda: seen.append("later"))
    clock.at(1.0, lambda: seen.append("first"))
    clock.at(1.0, lambda: clock.after(0.5, lambda: seen.append("then")))
    clock.run(lambda: False)
    assert seen == ["first", "then", "later"]
    assert clock.now == 2.0


def test_a_station_starts_instances_up_to_a_number_and_pays_for_them() -> None:
    """Two works of a second each by two instances, after a cold start of one."""
    clock, ended = Clock(), list[float]()
    station = Station("f", clock, most_instances=2, concurrency=1, cold_start_seconds=1.0, shared=lambda now, _: now)
    for _ in range(2):
        station.add(Work(jobs=10, cpu_seconds=0.1, done=lambda: ended.append(clock.now)))
    clock.run(lambda: False)
    station.close()
    assert ended == [2.0, 2.0]
    assert (station.peak_instances, station.instance_seconds) == (2, 4.0)


def test_what_is_shared_is_given_out_at_its_rate() -> None:
    """One after the other, and it tells for how long work waited."""
    shared = Shared(lambda _: 10.0)
    assert [shared.take(0.0, 20.0), shared.take(0.0, 10.0), shared.take(9.0, 10.0)] == [2.0, 3.0, 10.0]
    assert (shared.waited_seconds, shared.used) == (2.0, 40.0)


def test_processes_share_the_cores_of_one_machine_evenly() -> None:
    """Two processes on one core, of which one does two things, the one of them three parts of its time."""
    clock, ended = Clock(), dict[str, float]()

    def note(name: str) -> Callable[[], None]:
        return lambda: ended.update({name: round(clock.now, 6)})

    cores = Cores(clock, lambda: 1.0)
    cores.add("here", 3, 3.0, note("most"))
    cores.add("here", 1, 2.0, note("rest"))
    cores.add("there", 1, 1.0, note("other"))
    clock.run(lambda: False)
    # Until 2 s: 0.75 of 3 s, 0.25 of 2 s, 1 of 1 s. Then 2.25 s are done at three quarters of the core.
    assert ended == {"other": 2.0, "most": 5.0, "rest": 6.0}


def test_a_tick_admits_what_has_waited_too_long_for_its_trigger() -> None:
    """One slow instance: the ticks take over a part, and all is admitted sooner."""
    slow = replace(TIMES, trigger_cpu=0.1)
    with_ticks, without = (
        played(slow, jobs=9_000, arriving=1.0, instances={"on_ai_job_created": 1}, tick_seconds=tick)
        for tick in (300.0, 1e5)
    )
    assert with_ticks.admitted_at < 0.7 * without.admitted_at


def test_waits_are_of_jobs_and_not_of_groups() -> None:
    """A group of ninety counts ninety times."""
    groups = [Group(jobs=90, written_at=0.0, settled_at=1.0), Group(jobs=10, written_at=0.0, settled_at=50.0)]
    assert [wait_at(groups, share, "settled_at") for share in (0.5, 0.9, 0.95)] == [1.0, 1.0, 50.0]
