"""Where the time goes: a timer interrupts the main thread every few milliseconds, and what it was doing is counted.

A tracing profiler makes small functions look slow; and another thread that looks on gets its turn when the main
thread waits, and so sees it wait too often.
"""

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

_EVERY_SECONDS = 0.005

# A name, and parts of the `path:function` of its frames.
Part = tuple[str, tuple[str, ...]]
# uvloop waits in C: then nothing lies above the function that runs the loop.
_LOOP = "asyncio/runners.py:run"
WAITING: Part = ("waiting for others", ("selectors.py:select", f"{_LOOP}, alone"))
_REST = "the rest"


class Samples:
    """What was seen: of each part, how often."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._seen: Counter[str] = Counter()
        self._is_looking = False

    def look(self, frame: FrameType | None) -> None:
        """Count the first part that has a frame anywhere in this stack."""
        if self._is_looking:
            # The machine is so busy that one look lasts until the next.
            return
        self._is_looking = True
        self._count(frame)
        self._is_looking = False

    def _count(self, frame: FrameType | None) -> None:
        stack = []
        while frame:
            stack.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
            frame = frame.f_back
        if stack and stack[0].endswith(_LOOP):
            stack[0] += ", alone"
        found = (name for name, marks in self._parts if any(mark in place for place in stack for mark in marks))
        self._seen[next(found, _REST)] += 1

    @property
    def seen(self) -> Counter[str]:
        """How often each part was seen."""
        return self._seen

    def __str__(self) -> str:
        total = max(1, self._seen.total())
        return ", ".join(f"{name} {number / total:.0%}" for name, number in self._seen.most_common())


@contextmanager
def sampled(*parts: Part) -> Iterator[Samples]:
    """Look at this thread while the body runs; the first part that matches a stack has it."""
    samples = Samples(parts)
    before = signal.signal(signal.SIGALRM, lambda _, frame: samples.look(frame))
    signal.setitimer(signal.ITIMER_REAL, _EVERY_SECONDS, _EVERY_SECONDS)
    try:
        yield samples
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def sample_own_cpu(*parts: Part) -> Samples:
    """Look at this process from now on, each time that it has kept a core busy for a while; call it in the main thread.

    What other threads compute, as gRPC's do, is seen as what the main thread does meanwhile: mostly waiting.
    """
    samples = Samples(parts)
    signal.signal(signal.SIGPROF, lambda _, frame: samples.look(frame))
    signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)
    return samples
