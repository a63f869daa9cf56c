"""A tally: what the examples of one run were made of, number by number."""

from dataclasses import astuple, dataclass
from typing import Self


@dataclass
class Tally:
    """Adds and subtracts each of its numbers."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))
