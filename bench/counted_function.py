"""A function as functions-framework serves it, and a count of what it is billed.

    python -m bench.counted_function FOLDER --source functions/main.py --target TARGET --port PORT

The process that does the work writes its counts into the folder, again whenever they have changed: it may be
killed at any time. `read_counts` sums them up by target. Counting costs CPU of its own at each call; with `--uncounted`
before FOLDER nothing is counted, and the CPU alone is seen.
"""

import json
import os
import runpy
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.billed import Billed
from bench.counting import counter
from bench.function_parts import PARTS
from bench.sampling import Samples, sample_own_cpu

WRITTEN_EVERY_SECONDS = 0.25
_UNCOUNTED = "--uncounted"


@dataclass(frozen=True, kw_only=True)
class FunctionCounts:
    """What one function was billed, and the time for which it kept a core busy."""

    billed: Billed
    cpu_seconds: float
    # How often each part of the work was seen, at even steps of that time.
    samples: Counter[str]

    def since(self, before: "FunctionCounts | None") -> "FunctionCounts":
        """What came on top: a process starts, and imports, before its first event."""
        if before is None:
            return self
        samples = self.samples.copy()
        samples.subtract(before.samples)
        return FunctionCounts(
            billed=self.billed.since(before.billed),
            cpu_seconds=self.cpu_seconds - before.cpu_seconds,
            samples=+samples,
        )

    def part_seconds(self) -> Mapping[str, float]:
        """The seconds of CPU by part, the most first."""
        total = max(1, self.samples.total())
        return {part: self.cpu_seconds * number / total for part, number in self.samples.most_common()}


def read_counts(folder: Path) -> Mapping[str, FunctionCounts]:
    """The counts of the functions whose processes write into this folder, by target."""
    return {written.stem: _parse(json.loads(written.read_text())) for written in sorted(folder.glob("*.json"))}


def _parse(written: dict[str, Any]) -> FunctionCounts:
    counts: dict[str, Any] = {
        name: Counter(count) if isinstance(count, dict) else count for name, count in written["billed"].items()
    }
    return FunctionCounts(
        billed=Billed(**counts), cpu_seconds=written["cpu_seconds"], samples=Counter(written["samples"])
    )


def _look_on(billed: Billed, path: Path) -> None:
    """Count in this process, which serves the function."""
    samples = sample_own_cpu(*PARTS)
    threading.Thread(target=_keep_writing, args=(billed, samples, path), daemon=True).start()


def _keep_writing(billed: Billed, samples: Samples, path: Path) -> None:
    last: dict[str, Any] = {}
    while True:
        counts = {name: dict(count) if isinstance(count, Counter) else count for name, count in vars(billed).items()}
        seen = {"billed": counts, "samples": dict(samples.seen)}
        if seen != last:
            _write({**seen, "cpu_seconds": time.process_time()}, path)
            last = seen
        time.sleep(WRITTEN_EVERY_SECONDS)


def _write(written: dict[str, Any], path: Path) -> None:
    """Write the file in one step, since the bench may read it at any moment."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(written))
    unfinished.replace(path)


def main() -> None:
    """Serve the function until it is stopped."""
    is_counted = sys.argv[1] != _UNCOUNTED
    if not is_counted:
        del sys.argv[1]
    folder = Path(sys.argv.pop(1))
    path = folder / f"{sys.argv[sys.argv.index('--target') + 1]}.json"
    billed = Billed()
    # The framework's server forks: what serves the function is its child.
    os.register_at_fork(after_in_child=lambda: _look_on(billed, path))
    with counter(lambda: billed) if is_counted else nullcontext():
        runpy.run_module("functions_framework", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
