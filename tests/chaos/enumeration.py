"""Every case there is: a journey is recorded once, and then played again with each fault at each of its calls.

A case is named by all that it takes to repeat it: journey, call and fault, as in
`refund/031-firestore.Commit/dies-after`. Journeys are concurrent in places, so call 31 of a case may be another call
than in the recording; the fault strikes it all the same, or the next one that can have it, and the outcome says which
one it was.

What must hold at the end of a case: everything has come to rest, the contract's promises are kept, no job was
ever in two live batches on record, and no job was submitted more often than in the recording: no fault of a single
call may cost an attempt, since nothing was wrong with the job. A job that the provider answered in two batches was
paid for twice; that is counted and reported.
"""

import asyncio
import functools
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.calls import Call, Strike, Traffic, seam
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.journeys import JOURNEYS, Journey, Stage
from tests.support.promises import assert_promises_kept
from tests.support.world import SOURCE, World

_LONGEST_SECONDS = 120


@dataclass(frozen=True)
class Case:
    """A fault at one call of a journey."""

    journey: str
    number: int
    call: str
    fault: str

    @property
    def name(self) -> str:
        """For example `refund/031-firestore.Commit/dies-after`."""
        return f"{self.journey}/{self.number:03}-{self.call}/{self.fault}"

    @property
    def command(self) -> str:
        """What repeats this case alone."""
        return f"make chaos CASE={self.name}"

    @classmethod
    def parse(cls, name: str) -> "Case":
        """The case of a name. Raises ValueError, which says what is wrong with it."""
        parts = re.fullmatch(r"([^/]+)/(\d+)-([^/]+)/([^/]+)", name)
        if not parts:
            raise ValueError(f"{name}: a case is named as in refund/031-firestore.Commit/dies-after")
        journey, number, call, fault = parts.groups()
        if journey not in JOURNEYS:
            raise ValueError(f"{journey}: the journeys are {', '.join(JOURNEYS)}")
        if fault not in FAULTS:
            raise ValueError(f"{fault}: the faults are {', '.join(FAULTS)}")
        return cls(journey, int(number), call, fault)


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    case: Case
    # What is broken; empty if nothing is.
    broken: str
    # The names of the calls that were struck.
    struck: tuple[str, ...]
    # For how many jobs the provider was paid once more than the journey asks for.
    paid_twice: int
    seconds: float


async def record(journey: Journey) -> list[Call]:
    """Play a journey undisturbed; returns its calls."""
    traffic = Traffic()
    await _play(journey, traffic, Counter())
    return traffic.calls


def cases(journey: Journey, calls: Sequence[Call]) -> list[Case]:
    """Each fault at each call that can have it, in the order of the calls."""
    return [Case(journey.name, call.number, call.name, fault.name) for call in calls for fault in distinct_faults(call)]


def distinct_faults(call: Call) -> list[Fault]:
    """Those that a call can have, without one that is the same as another.

    Where a call changes nothing, it is all the same whether it was carried out: of the faults after which its caller
    gets the same, one is left. No function reads in a transaction, so no read leaves a lock behind.
    """
    fitting = [fault for fault in FAULTS.values() if fault.fits(call)]
    if call.writes:
        return fitting
    distinct: dict[tuple[str, int], Fault] = {}
    for fault in fitting:
        distinct.setdefault((repr(fault.answers[call.service]), fault.times), fault)
    return list(distinct.values())


async def run(case: Case) -> Outcome:
    """Play a case to its end. Never raises for what is broken in it."""
    traffic = Traffic(Strike(FAULTS[case.fault], case.number))
    clock = asyncio.get_running_loop()
    began = clock.time()
    broken = ""
    answers: Counter[str] = Counter()
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            await _play(JOURNEYS[case.journey], traffic, answers)
    except Exception as error:  # noqa: BLE001 - whatever breaks is the outcome
        reason = str(error).splitlines()
        broken = f"{type(error).__name__}: {reason[0] if reason else ''}"
    struck = tuple(call.label for call, _ in traffic.struck)
    paid_twice = sum(1 for number in answers.values() if number > JOURNEYS[case.journey].answers)
    return Outcome(case, broken, struck, paid_twice, clock.time() - began)


async def _play(journey: Journey, traffic: Traffic, answers: Counter[str]) -> None:
    """Play a journey and check what must hold."""
    with pytest.MonkeyPatch.context() as monkeypatch, seam():
        async with World(monkeypatch, journey.provider).running() as world:
            await journey.play(Stage(world, traffic, answers))
            await assert_promises_kept(world, may_be_gone=journey.erases)
            attempts = {job_id: job.get("attempts", 0) for job_id, job in (await world.jobs()).items()}
            most = journey.submissions
            assert max(attempts.values(), default=0) <= most, f"no attempt is lost: {attempts}, expected at most {most}"


def share(every: Sequence[Case], part: int, parts: int) -> list[Case]:
    """One of so many parts of a journey's cases: of every kind of call with every fault, one case, in one of the parts.

    Which case of a kind it is, and in which part, follows from the functions' source: the same source has the same
    cases, and another source has others.
    """
    kinds: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in every:
        kinds[case.call, case.fault].append(case)
    chosen = []
    for (call, fault), alike in kinds.items():
        lot = zlib.crc32(f"{_source_checksum()} {call} {fault}".encode())
        if lot % parts == part:
            chosen.append(alike[lot // parts % len(alike)])
    return chosen


@functools.cache
def _source_checksum() -> int:
    checksum = 0
    for path in sorted(Path(SOURCE).parent.rglob("*.py")):
        checksum = zlib.crc32(path.read_bytes(), checksum)
    return checksum
