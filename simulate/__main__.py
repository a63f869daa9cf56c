"""`make simulate`: play the scenarios, print what each comes to, and plot it.

python -m simulate [--plot docs/scale.svg]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.results import recorded
from simulate import plot
from simulate.bench_burst import predicted
from simulate.outcome import Outcome, outcome_of, spoken
from simulate.scenario import SCENARIOS
from simulate.service_times import ServiceTimes
from simulate.system import System


def main() -> int:
    """Play all; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m simulate")
    parser.add_argument("--plot", type=Path, help="an SVG file of how the jobs end")
    asked = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=140)
    numbers = recorded("burst")
    burst = predicted(numbers)
    console.print(
        f"Held to the burst of make bench: all settled after {burst.settled_at:.0f} s by the model, "
        f"{numbers['settled_seconds']:.0f} s in the run."
    )
    systems = [System(scenario, ServiceTimes.measured(numbers)) for scenario in SCENARIOS]
    for system in systems:
        system.run()
    console.print(_table([outcome_of(system) for system in systems]))
    if asked.plot:
        plot.write(asked.plot, systems)
        console.print(f"Plotted: {asked.plot}")
    return 0


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("", *(outcome.name for outcome in outcomes), show_lines=True)
    table.add_row("jobs", *(f"{outcome.jobs:,}" for outcome in outcomes))
    table.add_row("admitted: p50, p95, p99", *(_waits(outcome.admitted) for outcome in outcomes))
    table.add_row("ended: p50, p95, p99", *(_waits(outcome.settled) for outcome in outcomes))
    table.add_row("the last has ended", *(spoken(outcome.ended_at) for outcome in outcomes))
    table.add_row("failed", *(f"{outcome.failed_share:.2%}" for outcome in outcomes))
    table.add_row("batches, open at once", *(f"{one.batches:,}, {one.most_open_batches:,}" for one in outcomes))
    table.add_row("instances at most", *(_named(outcome.instances, "{:.0f}") for outcome in outcomes))
    table.add_row("hot documents, writes/s", *(_named(outcome.hot_documents, "{:.2f}") for outcome in outcomes))
    table.add_row("Google's part of the bill", *(f"$ {outcome.cost_usd:,.2f}" for outcome in outcomes))
    table.add_row("what gives first", *(outcome.gives_first for outcome in outcomes))
    return table


def _waits(seconds: tuple[float, float, float]) -> str:
    return ", ".join(spoken(each) for each in seconds)


def _named(numbers: dict[str, int] | dict[str, float], form: str) -> str:
    return "\n".join(f"{name} {form.format(number)}" for name, number in numbers.items())


if __name__ == "__main__":
    sys.exit(main())
