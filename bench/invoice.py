"""The bill of one month: usage times list prices, the free tiers subtracted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bench.counts import Example, MonthCounts
from bench.month import batch_month, instant_month
from bench.prices import DEFAULT_REGION, PRICES, Price, Region
from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd

PROVIDER: Final = "openai"
DEFAULT_MODEL: Final = "gpt-5-mini"
MODELS: Final = ("gpt-5-nano", DEFAULT_MODEL, "gpt-5")

Speed = Literal["batch", "instant"]


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """What a month of so many jobs costs, in US dollars."""

    jobs: int
    model_usd: float
    # By the name of the price.
    google_usd: Mapping[str, float]

    @property
    def total_usd(self) -> float:
        """The model and Google."""
        return self.model_usd + sum(self.google_usd.values())

    def per_job(self, usd: float) -> float:
        """A job's share; of no jobs, nothing."""
        return usd / self.jobs if self.jobs else 0.0


def invoice(
    counts: MonthCounts,
    example: Example,
    jobs: int,
    speed: Speed,
    *,
    model: str = DEFAULT_MODEL,
    region: Region = DEFAULT_REGION,
    instead: Mapping[str, Price] | None = None,
) -> Invoice:
    """The bill of a month.

    Args:
        instead: prices that take the place of the region's own.
    """
    usage = batch_month(counts, example, jobs) if speed == "batch" else instant_month(counts, example, jobs)
    prices = {**PRICES[region], **(instead or {})}
    return Invoice(
        jobs=jobs,
        model_usd=model_usd(example, speed, model) * jobs,
        google_usd={name: price.cost(usage[name]) for name, price in prices.items()},
    )


def model_usd(example: Example, speed: Speed, model: str) -> float:
    """What the provider takes for one job. Raises LookupError for a model that has no listed price."""
    price = batch_cost_usd if speed == "batch" else realtime_cost_usd
    cost = price(PROVIDER, model, example.tokens)
    if cost is None:
        raise LookupError(f"{model} has no listed price")
    return cost
