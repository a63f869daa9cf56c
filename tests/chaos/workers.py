"""The processes that play cases side by side: they share the emulators, and each case has a project of its own.

A world sets environment variables and loads the functions anew, so a process plays one case at a time.
"""

import asyncio
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool

from tests.chaos import enumeration
from tests.chaos.enumeration import Case, Outcome
from tests.chaos.journeys import JOURNEYS

# What a process keeps of each case (modules, channels) is given back now and then.
_CASES_PER_PROCESS = 200


@contextmanager
def pool(processes: int) -> Iterator[Pool]:
    """So many processes, without the functions' log."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_silence, maxtasksperchild=_CASES_PER_PROCESS) as workers:
        yield workers


def record(journey: str) -> list[Case]:
    """All cases of a journey."""
    chosen = JOURNEYS[journey]
    return enumeration.cases(chosen, asyncio.run(enumeration.record(chosen)))


def run(case: Case) -> Outcome:
    """Play a case to its end."""
    return asyncio.run(enumeration.run(case))


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
