"""How long does a new instance take before it can serve, compared with the libraries that it cannot do without?

Each import is made in a new interpreter, in turns. What `main` leaves for the first event to import is not left out:
the second row imports it, too, and builds the clients, as a job's first event does.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
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
# structlog would load rich, and openai aiohttp: no deployed function has either.
_PROGRAM: Final = """import sys
import time
sys.modules["rich"] = sys.modules["aiohttp"] = None
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
            _time("… and all that a job's first event needs", first_event, floor, _FIRST_EVENT_AIM),
            _time("… and all that the API's first request needs", first_request, api_floor),
            _memory("memory after import main", main, floor),
            _memory("memory after the first event's imports", first_event, floor),
            _memory("memory after the API's first request's imports", first_request, api_floor),
        ],
        notes=[f"Medians of {_RUNS} new interpreters each. The floor: `{_FLOOR}`, of the API `{_FLOOR_OF_API}`."],
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


def _start(imports: str) -> _ColdStart:
    environment = basic_environment({}) | {
        "PYTHONPATH": str(ROOT / "functions"),
        "GOOGLE_CLOUD_PROJECT": "bench",
        "OPENAI_API_KEY": "none",
        "FUNCTION_TARGET": "on_ai_job_created",
        # Nothing is asked of it: the clients are built and not used.
        "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
    }
    program = _PROGRAM.format(imports=imports)
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    seconds, peak, modules = json.loads(ended.stdout.splitlines()[-1])
    return _ColdStart(seconds=seconds, peak_bytes=peak, modules=frozenset(modules))
