"""A function as functions-framework serves it, and a count of what it is billed.

    python -m bench.counted_function FOLDER --source functions/main.py --target TARGET --port PORT

The process that does the work writes its counts into the folder, again whenever they have changed: it may be
killed at any time. `read_counts` sums them up by target.
"""

import json
import os
import runpy
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.billed import Billed
from bench.counting import counter

WRITTEN_EVERY_SECONDS = 0.25


@dataclass(kw_only=True)
class FunctionCounts:
    """What one function was billed, and the time for which it kept a core busy."""

    billed: Billed = field(default_factory=Billed)
    cpu_seconds: float = 0.0


def read_counts(folder: Path) -> Mapping[str, FunctionCounts]:
    """The counts of the functions whose processes write into this folder, by target."""
    return {written.stem: _parse(json.loads(written.read_text())) for written in sorted(folder.glob("*.json"))}


def _parse(written: dict[str, dict[str, int | dict[str, int]] | float]) -> FunctionCounts:
    billed, cpu_seconds = written["billed"], written["cpu_seconds"]
    assert isinstance(billed, dict)  # noqa: S101 - as `_write` writes it
    assert isinstance(cpu_seconds, float)  # noqa: S101 - likewise
    counts = {name: Counter(count) if isinstance(count, dict) else count for name, count in billed.items()}
    return FunctionCounts(billed=Billed(**counts), cpu_seconds=cpu_seconds)  # type: ignore[arg-type] # by its names


def _keep_writing(counts: FunctionCounts, path: Path) -> None:
    last: Billed | None = None
    while True:
        # Whole before and after: a reader may come at any time.
        if counts.billed != last:
            counts.cpu_seconds = time.process_time()
            last = _write(counts, path)
        time.sleep(WRITTEN_EVERY_SECONDS)


def _write(counts: FunctionCounts, path: Path) -> Billed:
    written = asdict(counts)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(written))
    unfinished.replace(path)
    return Billed(**written["billed"])


def main() -> None:
    """Serve the function until it is stopped."""
    folder = Path(sys.argv.pop(1))
    path = folder / f"{sys.argv[sys.argv.index('--target') + 1]}.json"
    counts = FunctionCounts()
    # The framework's server forks: what serves the function is its child.
    os.register_at_fork(
        after_in_child=lambda: threading.Thread(target=_keep_writing, args=(counts, path), daemon=True).start()
    )
    with counter(lambda: counts.billed):
        runpy.run_module("functions_framework", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
