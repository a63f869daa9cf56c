"""How long answers were waited for, as a histogram: bars on a scale of powers, so seconds and days fit side by side.

Histograms add up, over hours and lanes, where medians do not. Each bar's upper edge is 19 percent above its lower one.
So a median or a 95th percentile that is read off it is right within that.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# Four bars to a doubling; the last one holds what took longer than some 12 days.
_PER_DOUBLING: Final = 4
_LAST: Final = 80


@dataclass(frozen=True, kw_only=True)
class WaitHistogram:
    """Numbers of answers, by how long they were waited for."""

    # By the number of the bar: bar n ends at 2 ** (n / 4) seconds, and bar 0 holds all that took a second at most.
    bars: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, seconds: float, number: int = 1) -> "WaitHistogram":
        """So many answers that were waited for so long."""
        bar = math.ceil(math.log2(seconds) * _PER_DOUBLING) if seconds > 1 else 0
        return cls(bars={min(bar, _LAST): number} if number else {})

    def __add__(self, other: "WaitHistogram") -> "WaitHistogram":
        bars = dict(self.bars)
        for bar, number in other.bars.items():
            bars[bar] = bars.get(bar, 0) + number
        return WaitHistogram(bars=bars)

    @property
    def total(self) -> int:
        """All answers."""
        return sum(self.bars.values())

    def quantile(self, share: float) -> float | None:
        """Within how many seconds this share of the answers came, from 0 to 1; None if there is no answer.

        Within a bar they are taken to lie evenly.
        """
        wanted, before = share * self.total, 0
        for bar in sorted(self.bars):
            number = self.bars[bar]
            if before + number >= wanted:
                upper, lower = _edge(bar), _edge(bar - 1) if bar else 0.0
                return round(lower + (upper - lower) * (wanted - before) / number, 1)
            before += number
        return None

    def edges(self) -> Iterator[tuple[float | None, int]]:
        """Each bar that is not empty: its upper edge in seconds, None for the last of all, and its answers."""
        for bar in sorted(self.bars):
            yield (None if bar == _LAST else round(_edge(bar), 1)), self.bars[bar]

    def packed(self) -> str:
        """As a document has it: `3:12 17:4`, which is read much faster than a map."""
        return " ".join(f"{bar}:{number}" for bar, number in sorted(self.bars.items()))

    @classmethod
    def read(cls, packed: Any) -> "WaitHistogram":
        """The histogram in a document's field; empty where it holds none."""
        pairs = (pair.partition(":") for pair in packed.split()) if isinstance(packed, str) else ()
        numbers = ((bar, number) for bar, _, number in pairs if bar.isdecimal() and number.isdecimal())
        return cls(bars={min(int(bar), _LAST): int(number) for bar, number in numbers})


def _edge(bar: int) -> float:
    return float(2 ** (bar / _PER_DOUBLING))
