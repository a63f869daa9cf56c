"""The tables of the bill, as texts: the terminal and docs/COST.md show the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.counts import EXAMPLES, Example, MonthCounts
from bench.invoice import DEFAULT_MODEL, MODELS, Invoice, Speed, invoice, model_usd
from bench.prices import DEFAULT_REGION, MULTI_REGION, PRICES, Price

VOLUMES: Final = (1_000, 100_000, 10_000_000)
_SPEEDS: Final[tuple[Speed, ...]] = ("batch", "instant")


@dataclass(frozen=True, kw_only=True)
class CostTable:
    """One table; the first column is text, the others are numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def month_table(counts: MonthCounts, example: Example, volumes: Sequence[int]) -> CostTable:
    """What a month costs, line by line."""
    bills = [invoice(counts, example, jobs, speed) for jobs in volumes for speed in _SPEEDS]
    tokens = example.tokens
    return CostTable(
        title=f"US$ a month: {example.title} ({tokens.input_tokens:,} tokens in, {tokens.output_tokens:,} out), "
        f"{DEFAULT_MODEL}, {DEFAULT_REGION}",
        columns=[
            "",
            *(f"{_short(bill.jobs)} {speed}" for bill, speed in zip(bills, _SPEEDS * len(volumes), strict=True)),
        ],
        rows=[
            ["the model", *(usd(bill.model_usd) for bill in bills)],
            *([name, *(usd(bill.google_usd[name]) for bill in bills)] for name in PRICES[DEFAULT_REGION]),
            ["together", *(usd(bill.total_usd) for bill in bills)],
            ["1,000 jobs", *(_per_thousand(bill, bill.total_usd) for bill in bills)],
            ["without the model", *(_per_thousand(bill, sum(bill.google_usd.values())) for bill in bills)],
        ],
    )


def model_table() -> CostTable:
    """What the provider takes for a thousand jobs, by model."""
    return CostTable(
        title="US$ for a thousand jobs: the model alone",
        columns=["", *(f"{example.title}, {speed}" for example in EXAMPLES for speed in _SPEEDS)],
        rows=[
            [model, *(usd(1_000 * model_usd(example, speed, model)) for example in EXAMPLES for speed in _SPEEDS)]
            for model in MODELS
        ],
    )


def place_table(counts: MonthCounts, volumes: Sequence[int]) -> CostTable:
    """What Google takes a month, by the place of the functions and the database."""
    example = EXAMPLES[0]
    places: list[tuple[str, list[Invoice]]] = [
        (region, [invoice(counts, example, jobs, "batch", region=region) for jobs in volumes]) for region in PRICES
    ]
    nam5 = [invoice(counts, example, jobs, "batch", region="us-central1", instead=MULTI_REGION) for jobs in volumes]
    places.append(("us-central1, database in nam5", nam5))
    return CostTable(
        title=f"US$ a month without the model: {example.title}, by batch",
        columns=["", *(f"{jobs:,} jobs" for jobs in volumes)],
        rows=[[place, *(usd(sum(bill.google_usd.values())) for bill in bills)] for place, bills in places],
    )


def price_table() -> CostTable:
    """The list prices."""
    rows = []
    for name, here in PRICES[DEFAULT_REGION].items():
        there = PRICES["us-central1"][name]
        rows.append([f"{name}, for {_amount(here.per)} {here.unit}", _stated(here), _stated(there), here.source])
    return CostTable(title="List prices in US$", columns=["", DEFAULT_REGION, "us-central1", "source"], rows=rows)


def usd(amount: float) -> str:
    """Dollars, with as many digits as say something; what is less than a hundredth of a cent is nothing."""
    if amount < 0.00005:
        return "0"
    if amount < 1:
        return f"{amount:.4f}"
    return f"{amount:,.2f}" if amount < 1_000 else f"{amount:,.0f}"


def _per_thousand(bill: Invoice, amount: float) -> str:
    return usd(1_000 * bill.per_job(amount))


def _short(jobs: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if jobs >= size and jobs % size == 0:
            return f"{jobs // size}{letter}"
    return f"{jobs:,}"


def _stated(price: Price) -> str:
    free = f", {_amount(price.free)} free" if price.free else ""
    return f"{price.usd:.10f}".rstrip("0").rstrip(".") + free


def _amount(units: float) -> str:
    for size, name in ((2**40, "Ti"), (2**30, "Gi")):
        if units >= size and units % size == 0:
            return f"{units / size:g} {name}"
    return f"{units:,.0f}"
