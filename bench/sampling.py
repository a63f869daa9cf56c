"""Where the time goes: looks every few milliseconds at what the main thread is doing, and counts.

A tracing profiler makes small functions look slow; looking on from another thread slows everything alike, and hardly.
"""

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

_EVERY_SECONDS = 0.005

# A name, and parts of the `path:function` of its frames.
Part = tuple[str, tuple[str, ...]]
WAITING: Part = ("waiting for others", ("selectors.py:select",))
_REST = "the rest"


class Samples:
    """What was seen: of each part, how often."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._seen: Counter[str] = Counter()

    def look(self, frame: FrameType | None) -> None:
        """Count the first part that has a frame anywhere in this stack."""
        stack = []
        while frame:
            stack.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
            frame = frame.f_back
        found = (name for name, marks in self._parts if any(mark in place for place in stack for mark in marks))
        self._seen[next(found, _REST)] += 1

    def __str__(self) -> str:
        total = max(1, self._seen.total())
        return ", ".join(f"{name} {number / total:.0%}" for name, number in self._seen.most_common())


@contextmanager
def sampled(*parts: Part) -> Iterator[Samples]:
    """Look at this thread while the body runs; the first part that matches a stack has it."""
    samples = Samples(parts)
    looked_at = threading.get_ident()
    stopped = threading.Event()

    def look_on() -> None:
        while not stopped.wait(_EVERY_SECONDS):
            samples.look(sys._current_frames().get(looked_at))

    thread = threading.Thread(target=look_on, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stopped.set()
        thread.join()
