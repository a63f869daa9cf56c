"""`make simulate`: play the scenarios, print what each comes to, plot it, and put the table into docs/SCALE.md.

python -m simulate [--plot docs/scale.svg] [--page docs/SCALE.md]
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.results import recorded
from simulate import plot
from simulate.bench_burst import predicted
from simulate.outcome import Outcome, outcome_of, spoken
from simulate.scenario import SCENARIOS
from simulate.service_times import ServiceTimes
from simulate.system import System

# Between these lines the page is written here.
_BEGIN: Final = "<!-- begin of make simulate -->"
_END: Final = "<!-- end of make simulate -->"


def main() -> int:
    """Play all; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m simulate")
    parser.add_argument("--plot", type=Path, help="an SVG file of how the jobs end")
    parser.add_argument("--page", type=Path, help="a page of Markdown that takes the table")
    asked = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=140)
    numbers = recorded("burst")
    held = _held(numbers)
    console.print(held)
    systems = [System(scenario, ServiceTimes.measured(numbers)) for scenario in SCENARIOS]
    for system in systems:
        system.run()
    lines = _lines([outcome_of(system) for system in systems])
    console.print(_table(lines))
    if asked.plot:
        plot.write(asked.plot, systems)
        console.print(f"Plotted: {asked.plot}")
    if asked.page:
        _write(asked.page, held, lines)
        console.print(f"Written: {asked.page}")
    return 0


def _held(numbers: Mapping[str, Any]) -> str:
    burst = predicted(dict(numbers))
    return (
        f"Held to the burst of `make bench`: all are admitted after {burst.admitted_at:.0f} s by the model, "
        f"{numbers['admitted_seconds']:.0f} s in the run. All have ended after {burst.settled_at:.0f} s by the model, "
        f"{numbers['settled_seconds']:.0f} s in the run."
    )


def _lines(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A line for each thing, a column for each scenario, the scenarios' names first."""
    return [
        ["", *(outcome.name for outcome in outcomes)],
        ["jobs", *(f"{outcome.jobs:,}" for outcome in outcomes)],
        ["admitted: p50, p95, p99", *(_waits(outcome.admitted) for outcome in outcomes)],
        ["ended: p50, p95, p99", *(_waits(outcome.settled) for outcome in outcomes)],
        ["the last has ended", *(spoken(outcome.ended_at) for outcome in outcomes)],
        ["failed", *(f"{outcome.failed_share:.2%}" for outcome in outcomes)],
        ["batches, open at once", *(f"{one.batches:,}, {one.most_open_batches:,}" for one in outcomes)],
        ["instances at most", *(_named(outcome.instances, "{:.0f}") for outcome in outcomes)],
        ["hot documents, writes a second", *(_named(outcome.hot_documents, "{:.2f}") for outcome in outcomes)],
        ["Google's part of the bill", *(f"$ {outcome.cost_usd:,.2f}" for outcome in outcomes)],
        ["what gives first", *(outcome.gives_first for outcome in outcomes)],
    ]


def _table(lines: Sequence[Sequence[str]]) -> Table:
    table = Table(*lines[0], show_lines=True)
    for line in lines[1:]:
        table.add_row(*line)
    return table


def _write(page: Path, held: str, lines: Sequence[Sequence[str]]) -> None:
    """Put the numbers between the two marks; a table of one row for each scenario and thing keeps lines short."""
    text = page.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    sentences = held.replace(". ", ".\n")
    tables = []
    for place, name in enumerate(lines[0][1:], 1):
        rows = "\n".join(f"| {line[0]} | {line[place]} |" for line in lines[1:])
        tables.append(f"### {name[0].upper()}{name[1:]}\n\n| | |\n|---|---|\n{rows}")
    page.write_text(f"{before}{_BEGIN}\n\n{sentences}\n\n" + "\n\n".join(tables) + f"\n\n{_END}{after}")


def _waits(seconds: tuple[float, float, float]) -> str:
    return ", ".join(spoken(each) for each in seconds)


def _named(numbers: Mapping[str, float], form: str) -> str:
    return ", ".join(f"{name} {form.format(number)}" for name, number in numbers.items())


if __name__ == "__main__":
    sys.exit(main())
