"""How long does a new instance take before it can serve, compared with the libraries that it cannot do without?

Each import is made in a new interpreter, in turns. What `main` leaves for the first event to import is not left out:
the second row imports it, too, and builds the clients, as a job's first event does.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from bench.measured import Aim, Measured, Measurement, check
from local.environment import basic_environment
from local.part import ROOT

_RUNS: Final = 9
_MAIN_AIM: Final = Aim(sign="≤", bound=1.15)
_FIRST_EVENT_AIM: Final = Aim(sign="≤", bound=1.0)
_MAIN: Final = "import main"
_FIRST_EVENT: Final = """import main
from nightshift.admission.admit import admit
from nightshift.batches.advance import submit_lane
main.runtime.firestore, main.runtime.providers.configured()"""
_FIRST_REQUEST: Final = """import main
from nightshift.api.serve import serve
main.runtime.firestore"""
_FLOOR: Final = "import google.cloud.firestore, openai, functions_framework"
_FLOOR_OF_API: Final = "import google.cloud.firestore, firebase_admin.auth, functions_framework"
# The libraries would load them, and no deployed function has them.
_NOT_DEPLOYED: Final = ("aiohttp", "greenlet", "rich", "trio")
_PACKAGES_SHOWN: Final = 6
# As `-X importtime` prints it: what the module took by itself, and with what it imports.
_IMPORTED: Final = re.compile(r"import time: +(?P<microseconds>\d+) \| +\d+ \| +(?P<module>\S+)")
_PROGRAM: Final = """import sys
import time
sys.modules.update(dict.fromkeys({absent}))
started_at = time.perf_counter()
{imports}
seconds = time.perf_counter() - started_at
import json
import pathlib
status = pathlib.Path("/proc/self/status").read_text()
peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
print(json.dumps([seconds, peak, sorted(sys.modules)]))"""


@dataclass(frozen=True, kw_only=True)
class _ColdStart:
    """One new interpreter."""

    seconds: float
    peak_bytes: int
    modules: frozenset[str]


async def ask() -> Measured:
    """Import in new interpreters, in turns."""
    programs = (_MAIN, _FIRST_EVENT, _FLOOR, _FIRST_REQUEST, _FLOOR_OF_API)
    starts: dict[str, list[_ColdStart]] = {imports: [] for imports in programs}
    for imports in starts:
        # The first start reads the files from the disk; it is not counted.
        _start(imports)
    for _ in range(_RUNS):
        for imports, started in starts.items():
            started.append(_start(imports))
    main, first_event, floor, first_request, api_floor = starts.values()
    check("main" in main[0].modules, "main was not imported.")
    check({"openai", "google.cloud.firestore"} <= first_event[0].modules, "The first event's imports are not all.")
    return Measured(
        question="How long does a new instance take before it can serve?",
        measurements=[
            _time("import main", main, floor, _MAIN_AIM),
            replace(
                _time("… and all that a job's first event needs", first_event, floor, _FIRST_EVENT_AIM),
                left="The first event needs the floor's libraries, each of them: what comes on top is our own modules, "
                "and those of pydantic and structlog, which check and log what the event brings.",
            ),
            _time("… and all that the API's first request needs", first_request, api_floor),
            _memory("memory after import main", main, floor),
            _memory("memory after the first event's imports", first_event, floor),
            _memory("memory after the API's first request's imports", first_request, api_floor),
        ],
        notes=[
            f"Medians of {_RUNS} new interpreters each. The floor: `{_FLOOR}`, of the API `{_FLOOR_OF_API}`.",
            f"Where the time of a first event's imports goes, by package: {_shares(_FIRST_EVENT)}. "
            f"Of the floor's: {_shares(_FLOOR)}.",
        ],
    )


def _time(name: str, starts: list[_ColdStart], floor_starts: list[_ColdStart], aim: Aim | None = None) -> Measurement:
    seconds, floor = (median(start.seconds for start in those) for those in (starts, floor_starts))
    return Measurement(
        name=name,
        measured=f"{seconds:.2f} s",
        floor=f"{floor:.2f} s",
        number=seconds / floor,
        aim=aim,
        spread=[mine.seconds / theirs.seconds for mine, theirs in zip(starts, floor_starts, strict=True)],
    )


def _memory(name: str, starts: list[_ColdStart], floor_starts: list[_ColdStart]) -> Measurement:
    peak, floor = (median(start.peak_bytes for start in those) / 1e6 for those in (starts, floor_starts))
    return Measurement(name=name, measured=f"{peak:.0f} MB", floor=f"{floor:.0f} MB", number=peak / floor)


def _shares(imports: str) -> str:
    """The packages that take the most time of one start, each without what it imports."""
    microseconds = Counter[str]()
    for line in _run(imports, "-X", "importtime").stderr.splitlines():
        if found := _IMPORTED.fullmatch(line):
            microseconds[_package(found["module"])] += int(found["microseconds"])
    total = microseconds.total()
    return ", ".join(f"{name} {spent / total:.0%}" for name, spent in microseconds.most_common(_PACKAGES_SHOWN))


def _package(module: str) -> str:
    """The first name of a module; of Google's, which share the first two, the first three."""
    names = module.split(".")
    return ".".join(names[:3] if names[0] == "google" else names[:1])


def _start(imports: str) -> _ColdStart:
    ended = _run(imports)
    seconds, peak, modules = json.loads(ended.stdout.splitlines()[-1])
    return _ColdStart(seconds=seconds, peak_bytes=peak, modules=frozenset(modules))


def _run(imports: str, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = basic_environment({}) | {
        "PYTHONPATH": str(ROOT / "functions"),
        "GOOGLE_CLOUD_PROJECT": "bench",
        "OPENAI_API_KEY": "none",
        "FUNCTION_TARGET": "on_ai_job_created",
        # Nothing is asked of it: the clients are built and not used.
        "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
    }
    program = _PROGRAM.format(imports=imports, absent=_NOT_DEPLOYED)
    command = [sys.executable, *options, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
