"""What a scenario came to: waiting, instances, hot documents, cost, and what gave first."""

from dataclasses import dataclass

from bench.prices import DEFAULT_REGION, PRICES
from simulate import limits
from simulate.jobs import wait_at
from simulate.system import System

_MEMORY_GIB = 1.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One scenario in numbers. Times are in seconds, costs in US dollars without the model's."""

    name: str
    jobs: int
    admitted: tuple[float, float, float]
    settled: tuple[float, float, float]
    ended_at: float
    failed_share: float
    batches: int
    most_open_batches: int
    instances: dict[str, int]
    # Writes a second of the busiest document of a kind.
    hot_documents: dict[str, float]
    cost_usd: float
    gives_first: str


def outcome_of(system: System) -> Outcome:
    """What a system came to that was played to its end."""
    groups, scenario = system.groups, system.scenario
    jobs = sum(group.jobs for group in groups)
    hot = _hot_documents(system)
    return Outcome(
        name=scenario.name,
        jobs=jobs,
        admitted=_waits(system, "admitted_at"),
        settled=_waits(system, "settled_at"),
        ended_at=system.settled_at,
        failed_share=sum(group.jobs for group in groups if group.is_failed) / jobs,
        batches=system.batches,
        most_open_batches=system.most_open_batches,
        instances={station.name: station.peak_instances for station in system.stations if station.peak_instances},
        hot_documents=hot,
        cost_usd=_cost_usd(system),
        gives_first=_gives_first(system, hot),
    )


def _waits(system: System, stage: str) -> tuple[float, float, float]:
    first, second, third = (wait_at(system.groups, share, stage) for share in (0.5, 0.95, 0.99))
    return first, second, third


def _hot_documents(system: System) -> dict[str, float]:
    """The busiest second of the lane, and of the wallet of the user who sends the most."""
    scenario = system.scenario
    hot = {"lane": max(system.lane_writes.values(), default=0) / limits.COALESCE_SECONDS}
    if scenario.is_bulk:
        # One entry and one wallet write for each part that ends with failures; the bulk document every five seconds.
        return {**hot, "bulk_jobs/{id}": 0.2}
    by_second: dict[int, float] = {}
    for group in system.groups:
        by_second[int(group.admitted_at)] = by_second.get(int(group.admitted_at), 0.0) + group.jobs
    busiest = max(by_second.values(), default=0.0) * scenario.busiest_user_share
    # Charges that come together share a commit, and an instance has one under way at a time.
    commits = max(busiest / limits.CHARGES_AT_ONCE, min(busiest, system.trigger.peak_instances / 0.05))
    return {**hot, "wallets/{busiest user}": commits}


def _cost_usd(system: System) -> float:
    """What Google takes for it: the marginal prices of one region, without what is free each month."""
    prices = PRICES[DEFAULT_REGION]
    jobs = system.scenario.jobs
    writes, reads = system.database.used, system.times.reads * jobs
    if system.scenario.is_bulk:
        reads = 2.0 * system.batches
    seconds = sum(station.instance_seconds for station in system.stations)
    used = {
        "Firestore writes": writes + (0 if system.scenario.is_bulk else jobs),
        "Firestore reads": reads,
        "Functions: vCPU": seconds,
        "Functions: memory": seconds * _MEMORY_GIB,
        "Functions: calls": float(0 if system.scenario.is_bulk else jobs) + system.batches,
    }
    return sum(units * prices[name].usd / prices[name].per for name, units in used.items())


def _gives_first(system: System, hot: dict[str, float]) -> str:
    """In words, what held the jobs back for the longest, beyond what the provider's batches take by themselves."""
    waits = {
        f"instances of {station.name}": station.longest_wait_seconds * (1 - station.held_share)
        for station in system.stations
    }
    waits["Firestore's ramp of writes"] = max(
        station.longest_wait_seconds * station.held_share for station in system.stations
    )
    waits["the provider's requests a second"] = system.provider.waited_seconds
    in_lane = max(
        (group.submitted_at - group.admitted_at for group in system.groups if group.submitted_at), default=0.0
    )
    waits["ten parts of a bulk job at once" if system.scenario.is_bulk else "the lane's next batch"] = in_lane
    failed = sum(group.is_failed for group in system.groups)
    if failed:
        return "answers in real time: those written early in the outage are given up after six hours"
    hottest = max(hot, key=lambda name: hot[name])
    worst = max(waits, key=lambda name: waits[name])
    if waits[worst] < 60.0 and hot[hottest] > limits.DOCUMENT_WRITES_PER_SECOND:
        return f"{hottest}: {hot[hottest]:.1f} writes a second"
    if waits[worst] < 1.0:
        return "nothing"
    return f"{worst}: work waits {spoken(waits[worst])}"


def spoken(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
