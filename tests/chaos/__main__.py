"""`make chaos`: each part plays its cases and says what is broken; any broken case makes the exit status 1.

make chaos                                               every case of every journey
make chaos JOURNEY=refund,retry EVERY=7                  every seventh case of two journeys
make chaos CASE=refund/031-firestore.Commit/dies-after   one case, with the functions' log
"""

import argparse
import asyncio
import os
import sys

from rich.console import Console

from local.cloud import running_emulators
from tests.chaos import enumeration, report, workers
from tests.chaos.journeys import JOURNEYS


def main() -> int:
    """Run what the arguments ask for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--case", type=_case, help="one case by its name")
    parser.add_argument("--journey", type=_journeys, default=list(JOURNEYS), help="some journeys: single,refund")
    parser.add_argument("--every", type=int, default=1, help="only every nth case")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with running_emulators() as emulators:
        os.environ.update(emulators.environment)
        if asked.case:
            return _one_case(asked.case)
        parts = (_enumeration,)
        return max(part(asked) for part in parts)


def _one_case(case: enumeration.Case) -> int:
    outcome = asyncio.run(enumeration.run(case))
    report.show_one(Console(), outcome)
    return 1 if outcome.broken else 0


def _enumeration(asked: argparse.Namespace) -> int:
    """Every crash point: see `enumeration.py`."""
    console = Console()
    with workers.pool(asked.processes) as pool:
        recordings = pool.map(workers.record, asked.journey)
        every = [case for cases in recordings for case in cases][:: asked.every]
        outcomes = report.followed(console, pool.imap_unordered(workers.run, every), len(every))
    report.show(console, outcomes)
    return 1 if any(outcome.broken for outcome in outcomes) else 0


def _case(name: str) -> enumeration.Case:
    try:
        return enumeration.Case.parse(name)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _journeys(names: str) -> list[str]:
    chosen = names.split(",")
    for name in chosen:
        if name not in JOURNEYS:
            raise argparse.ArgumentTypeError(f"{name}: the journeys are {', '.join(JOURNEYS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
