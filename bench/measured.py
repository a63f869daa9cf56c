"""The answer to one question: a table of measurements, each against a floor that was measured in the same run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a ratio, or a count, should be."""

    sign: Literal["≥", "≤"]
    bound: float

    def is_met_by(self, number: float) -> bool:
        """Whether the number is on the right side of the bound, or on it."""
        return number >= self.bound if self.sign == "≥" else number <= self.bound

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One row: what was measured, what it is compared with, and what it should be."""

    name: str
    # With its unit: "812 jobs/s".
    measured: str
    floor: str = ""
    # What the aim speaks of: measured / floor, or a count. Without an aim it is shown all the same.
    number: float | None = None
    aim: Aim | None = None
    # The number as each run gave it, where there was more than one.
    spread: Sequence[float] = ()
    # Each run gives the same: it is computed, and nothing is timed.
    is_computed: bool = False
    # What is left where the aim is missed, and why it cannot go: a sentence or two.
    left: str = ""

    @property
    def misses(self) -> bool:
        """Whether there is an aim, and it is not met."""
        return self.aim is not None and self.number is not None and not self.aim.is_met_by(self.number)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One question, and what was measured to answer it."""

    question: str
    measurements: Sequence[Measurement]
    # Where the time goes, what a number does not say.
    notes: Sequence[str] = ()


class ResultWrong(Exception):
    """A bench found that what it measured did not do its work; its numbers say nothing then."""


def check(holds: bool, otherwise: str) -> None:
    """Raise ResultWrong with this sentence if something does not hold."""
    if not holds:
        raise ResultWrong(otherwise)
