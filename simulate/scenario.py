"""A load, and the world in which it comes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
# Groups of jobs that are simulated, at most; more would show nothing new.
_MOST_GROUPS: Final = 6_000
# The share of a day's jobs that each hour brings: most people are awake at the same time.
_BY_HOUR: Final = (1, 1, 1, 1, 1, 2, 3, 5, 6, 6, 6, 6, 7, 6, 5, 5, 6, 7, 8, 8, 6, 4, 2, 1)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What comes, and what it meets. Times are in seconds."""

    name: str
    jobs: int
    # Over which the jobs come: by the hour of day, or evenly where it is shorter than a day.
    arriving: float
    users: int = 100_000
    # Of the jobs, those that are answered in real time.
    instant_share: float = 0.0
    # Of the jobs, those of the one user who sends the most.
    busiest_user_share: float = 0.0001
    # A bulk job's rows come in parts and touch no job document.
    is_bulk: bool = False
    # What the provider's batches take: the middle, and how far they spread (of the logarithm).
    batch_seconds: float = 1.3 * HOUR
    batch_spread: float = 0.45
    answer_seconds: float = 10.0
    # In requests a second over all instances; what one account of a large tier may ask.
    provider_per_second: float = 500.0
    # From when, and for how long, the provider takes nothing.
    outage: tuple[float, float] | None = None
    tick_seconds: float = 600.0
    # Ticks were there before the first job; when the next one comes.
    first_tick: float = 0.0
    # Instances of each function at most, where not as deployed.
    instances: dict[str, int] = field(default_factory=dict)
    # Of the real time of a day; the bill of a month follows from it.
    days_of_month: float = 30.0

    def groups(self) -> Iterator[tuple[float, int]]:
        """When how many jobs come."""
        size = max(1, math.ceil(self.jobs / _MOST_GROUPS))
        number = math.ceil(self.jobs / size)
        for place in range(number):
            jobs = min(size, self.jobs - place * size)
            yield self._moment((place + 0.5) / number), jobs

    def _moment(self, share: float) -> float:
        if self.arriving < DAY:
            return share * self.arriving
        left = share * sum(_BY_HOUR)
        for hour, part in enumerate(_BY_HOUR):
            if left <= part:
                return (hour + left / part) * HOUR
            left -= part
        return DAY


MONTH: Final = Scenario(name="ten million jobs a month, a day of it", jobs=333_333, arriving=DAY, instant_share=0.1)
SCENARIOS: Final = (
    MONTH,
    Scenario(name="a burst of a million batch jobs", jobs=1_000_000, arriving=60.0, busiest_user_share=0.01),
    Scenario(name="a bulk job of a million rows", jobs=1_000_000, arriving=1.0, users=1, is_bulk=True),
    replace(MONTH, name="the same day, and the provider away from 12 to 18 o'clock", outage=(12 * HOUR, 6 * HOUR)),
    replace(
        MONTH,
        name="the same day, and the provider ten times slower",
        batch_seconds=13 * HOUR,
        answer_seconds=100.0,
        provider_per_second=50.0,
    ),
)
