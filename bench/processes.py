"""How long the processes of a bench keep the machine's cores busy, and how long all others do."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class BusySeconds:
    """Seconds of CPU since some moment: of this process with all that it started, and of the whole machine."""

    own: float
    machine: float

    @classmethod
    def now(cls) -> Self:
        """As the kernel counts them now; a process that has ended counts for the one that waited for it."""
        return cls(own=_own_seconds(), machine=_machine_seconds())

    def since(self, before: Self) -> Self:
        """What came on top."""
        return type(self)(own=self.own - before.own, machine=self.machine - before.machine)

    def cores_left(self, seconds: float) -> float:
        """How many of the cores the other processes of the machine left, on average over so many seconds."""
        others = max(0.0, self.machine - self.own) / seconds
        return max(0.25, (os.cpu_count() or 1) - others)


def _own_seconds() -> float:
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            # It has ended since.
            continue
        number = int(process.name)
        children.setdefault(int(fields[1]), []).append(number)
        ticks[number] = sum(int(field) for field in fields[11:15])
    found, total = [os.getpid()], 0
    while found:
        number = found.pop()
        total += ticks.get(number, 0)
        found += children.get(number, [])
    return total / _TICKS_PER_SECOND


def _machine_seconds() -> float:
    # user, nice, system; then idle and waiting, which are none; irq, softirq, steal.
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields[:3]) + sum(fields[5:8])) / _TICKS_PER_SECOND
