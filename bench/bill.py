"""`make bill`: what a month costs, from list prices and from counts that are measured here and now.

make bill               1,000, 100,000 and 10,000,000 jobs a month
make bill JOBS=250000   another number
make bill WRITE=1       the same as the first, and docs/COST.md
"""

import argparse
import asyncio
import os
import sys
from contextlib import redirect_stdout
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.cost_page import page
from bench.cost_tables import VOLUMES, CostTable, model_table, month_table, place_table
from bench.counts import EXAMPLES, MonthCounts, measure
from cli import terminal
from local.cloud import running_emulators
from local.part import ROOT

PAGE = ROOT / "docs" / "COST.md"
_WIDTH = 100


def main() -> int:
    """Measure, and print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.bill")
    parser.add_argument("--jobs", type=_number_of_jobs, help="jobs a month, instead of the three")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    asked = parser.parse_args()
    if asked.write and asked.jobs is not None:
        parser.error("--write writes the page of the three volumes: name no other with it")
    volumes = VOLUMES if asked.jobs is None else (asked.jobs,)
    console = Console()
    console.width = min(_WIDTH, console.width)
    console.print("Measuring what a job reads, writes and calls, on the emulators: half a minute.", style="dim")
    with terminal.never_silent("Measuring"):
        counts = _measured()
    for example in EXAMPLES:
        _show(console, month_table(counts, example, volumes))
    _show(console, model_table())
    _show(console, place_table(counts, volumes))
    console.print("What is assumed, what was measured, and how it grows: docs/COST.md", style="dim")
    if asked.write:
        PAGE.write_text(page(counts))
        console.print(f"Written: {PAGE.relative_to(ROOT)}")
    return 0


def _measured() -> MonthCounts:
    with running_emulators(say=lambda _: None) as emulators, redirect_stdout(StringIO()):
        # Without their logs, which go to standard output.
        os.environ.update(emulators.environment)
        return asyncio.run(measure())


def _show(console: Console, shown: CostTable) -> None:
    # Without lines between the columns six of them fit beside their names in 80 columns.
    table = Table(title=shown.title, title_justify="left", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for place, column in enumerate(shown.columns):
        table.add_column(column, justify="right" if place else "left", overflow="fold", no_wrap=not place)
    for row in shown.rows:
        table.add_row(*row, style="bold" if row[0] == "together" else None)
    console.print()
    console.print(table)


def _number_of_jobs(text: str) -> int:
    jobs = int(text)
    if jobs < 0:
        raise ValueError(text)
    return jobs


if __name__ == "__main__":
    sys.exit(main())
