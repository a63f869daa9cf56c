"""`make chaos`: each part plays its cases and says what is broken; any broken case makes the exit status 1.

make chaos                                               a fifth of all cases, 2,000 random steps, 10,000 any inputs,
                                                         hostile users and users who earn for 2,000 steps each
make chaos EVERY=1                                       every case of every journey
make chaos JOURNEY=refund,retry EVERY=7                  every seventh case of two journeys
make chaos FAULT=402,404-model,storage-full EVERY=1      every case of these faults: the account's trouble, say
make chaos SEED=77                                       the fifth and the nights of another run, which prints its seed
make chaos CASE=refund/031-firestore.Commit/dies-after   one case, with the functions' log
make chaos NIGHT=78                                      the nights of one seed, with the functions' log
make chaos ONLY=fuzz FUZZ=50000                          arbitrary inputs alone, and more of them
make chaos ONLY=fuzz KIND=api-requests                   those of one kind alone: 10,000 requests to the API
make chaos ROUND=lines/79/250                            one round of them, with the functions' log
make chaos ONLY=hostile STEPS=5000                       hostile users beside honest ones alone, and more of them
make chaos SIEGE=79                                      the hostile users of one seed, with the functions' log
make chaos EARNING=80                                    the users of one seed who earn, with the functions' log
"""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Collection

from rich.console import Console

from local.cloud import Emulators, running_emulators
from local.errors import StackError
from tests.chaos import earners, enumeration, neighbours, report, schedules, workers
from tests.chaos.earners import EarningCount
from tests.chaos.faults import FAULTS
from tests.chaos.hostile import Effort
from tests.chaos.journeys import JOURNEYS
from tests.chaos.machine import Count
from tests.fuzz import rounds


def main() -> int:
    """Run what the arguments ask for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--case", type=_case, help="one case by its name")
    parser.add_argument("--journey", type=_journeys, default=list(JOURNEYS), help="some journeys: single,refund")
    parser.add_argument("--fault", type=_faults, help="some faults: 402,404-model")
    parser.add_argument("--night", type=int, help="the nights of one seed")
    parser.add_argument("--siege", type=int, help="the hostile users of one seed")
    parser.add_argument("--earning", type=int, help="the users of one seed who earn")
    parser.add_argument("--every", type=int, default=5, help="only every nth case")
    parser.add_argument("--steps", type=int, default=2_000, help="random steps of each part, at least")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="of this run's random choices")
    parser.add_argument("--fuzz", type=int, default=10_000, help="arbitrary inputs, at least")
    parser.add_argument("--kind", choices=list(rounds.KINDS), help="one kind of arbitrary inputs")
    parser.add_argument("--round", type=_round, help="one round of arbitrary inputs by its name")
    parser.add_argument("--only", choices=_PARTS, help="one of the parts")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    with running_emulators() as emulators:
        os.environ.update(emulators.environment)
        if asked.case:
            return _one_case(asked.case)
        if asked.night is not None:
            return _one_night(asked.night)
        if asked.round:
            return _one_round(asked.round)
        if asked.siege is not None:
            return _one_siege(asked.siege)
        if asked.earning is not None:
            return _one_earning(asked.earning)
        return _parts(asked, emulators)


def _parts(asked: argparse.Namespace, emulators: Emulators) -> int:
    """Play one part, or all; returns 2 if an emulator has ended meanwhile."""
    Console().print(f"Seed {asked.seed}: make chaos SEED={asked.seed} chooses the same again.")
    parts = [_PARTS[asked.only]] if asked.only else _PARTS.values()
    status = max(part(asked) for part in parts)
    try:
        emulators.check_running()
    except StackError as ended:
        Console().print(f"What broke after this says nothing. {ended}", markup=False, soft_wrap=True)
        return 2
    return status


def _one_case(case: enumeration.Case) -> int:
    outcome = asyncio.run(enumeration.run(case))
    report.show_one(Console(), outcome)
    return 1 if outcome.broken else 0


def _one_night(seed: int) -> int:
    played = schedules.play(seed)
    report.show_nights(Console(), played)
    return 1 if played.broken else 0


def _one_round(asked: rounds.Round) -> int:
    fuzzed = rounds.play(asked)
    report.show_round(Console(), fuzzed)
    return 1 if fuzzed.broken else 0


def _one_siege(seed: int) -> int:
    besieged = neighbours.play(seed)
    report.show_siege(Console(), besieged)
    return 1 if besieged.broken else 0


def _one_earning(seed: int) -> int:
    earned = earners.play(seed)
    report.show_earners(Console(), earned)
    return 1 if earned.broken else 0


def _enumeration(asked: argparse.Namespace) -> int:
    """Every crash point: see `enumeration.py`."""
    console = Console()
    with workers.pool(asked.processes) as pool:
        recordings = pool.map(workers.record, asked.journey)
        found = [case for cases in recordings for case in cases]
        every = [case for case in found if asked.fault is None or case.fault in asked.fault]
        chosen = every[asked.seed % asked.every :: asked.every]
        console.print(f"{len(chosen):,} of {len(every):,} cases of {len(asked.journey)} journeys")
        outcomes = report.followed(console, pool.imap_unordered(workers.run, chosen), len(chosen))
    report.show(console, outcomes)
    return 1 if any(outcome.broken for outcome in outcomes) else 0


def _schedules(asked: argparse.Namespace) -> int:
    """Random nights: see `machine.py`."""
    console = Console()
    total, seed, is_broken = Count(), asked.seed, False
    with workers.pool(asked.processes) as pool:
        while total.steps < asked.steps:
            seeds = range(seed, seed + asked.processes)
            for played in pool.map(schedules.play, seeds):
                total += played.count
                is_broken |= bool(played.broken)
                report.show_nights(console, played)
            seed += asked.processes
    report.show_total(console, total)
    return 1 if is_broken else 0


def _fuzz(asked: argparse.Namespace) -> int:
    """Arbitrary inputs: see `tests/fuzz`."""
    console = Console()
    fuzzed = []
    planned = [one for one in rounds.rounds(asked.seed, asked.fuzz) if asked.kind in {None, one.kind}]
    with workers.pool(asked.processes) as pool:
        for one in pool.imap_unordered(rounds.play, planned):
            fuzzed.append(one)
            report.show_round(console, one)
    report.show_fuzzed(console, fuzzed)
    return 1 if any(one.broken for one in fuzzed) else 0


def _hostile(asked: argparse.Namespace) -> int:
    """Hostile users beside honest ones: see `neighbours.py`."""
    console = Console()
    total, seed, interferences = Effort(), asked.seed, 0
    with workers.pool(asked.processes) as pool:
        while total.steps < asked.steps and not interferences:
            seeds = range(seed, seed + asked.processes)
            for besieged in pool.imap(neighbours.play, seeds):
                total += besieged.effort
                interferences += bool(besieged.broken)
                report.show_siege(console, besieged)
            seed += asked.processes
    report.show_sieges(console, total, interferences)
    return 1 if interferences else 0


def _earning(asked: argparse.Namespace) -> int:
    """Users who claim at random: see `earners.py`."""
    console = Console()
    total, seed, is_broken = EarningCount(), asked.seed, False
    with workers.pool(asked.processes) as pool:
        while total.steps < asked.steps:
            for earned in pool.imap(earners.play, range(seed, seed + asked.processes)):
                total += earned.count
                is_broken |= bool(earned.broken)
                report.show_earners(console, earned)
            seed += asked.processes
    report.show_all_earners(console, total)
    return 1 if is_broken else 0


_PARTS = {
    "cases": _enumeration,
    "nights": _schedules,
    "fuzz": _fuzz,
    "hostile": _hostile,
    "earning": _earning,
}


def _round(name: str) -> rounds.Round:
    try:
        return rounds.Round.parse(name)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _case(name: str) -> enumeration.Case:
    try:
        return enumeration.Case.parse(name)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _faults(names: str) -> list[str]:
    return _chosen(names, "faults", FAULTS)


def _journeys(names: str) -> list[str]:
    return _chosen(names, "journeys", JOURNEYS)


def _chosen(names: str, what: str, of: Collection[str]) -> list[str]:
    chosen = names.split(",")
    for name in chosen:
        if name not in of:
            raise argparse.ArgumentTypeError(f"{name}: the {what} are {', '.join(of)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
