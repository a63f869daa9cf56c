"""The declared achievements: `achievements.toml` beside this file, checked when it is first read."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from nightshift.earning.economy import Economy

_FILE: Final = Path(__file__).with_name("achievements.toml")
_COUNTER: Final = re.compile(r"streak|answered(\.[a-z][a-z0-9_]{0,99})?")


class Achievement(BaseModel):
    """Tokens that a user gets once, when a counter of theirs has come so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9_]{1,60}$")
    title: str = Field(min_length=1, max_length=80)
    counter: str
    at_least: int = Field(ge=1)
    tokens: int = Field(ge=1, le=1_000)

    @field_validator("counter")
    @classmethod
    def _known(cls, counter: str) -> str:
        if not _COUNTER.fullmatch(counter):
            raise ValueError("a counter is `answered`, `answered.{jobType}` or `streak`")
        return counter

    def count(self, economy: Economy) -> int:
        """How far a user has come."""
        return economy.counter(self.counter)

    def is_reached(self, economy: Economy) -> bool:
        """Whether a user may claim it."""
        return self.count(economy) >= self.at_least


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    achievement: list[Achievement]

    @field_validator("achievement")
    @classmethod
    def _distinct(cls, achievements: list[Achievement]) -> list[Achievement]:
        if len({each.id for each in achievements}) < len(achievements):
            raise ValueError("each achievement has an id of its own")
        return achievements


@cache
def achievements() -> Mapping[str, Achievement]:
    """All achievements by id, in the file's order. Raises pydantic's ValidationError for a wrong file."""
    table = _Table.model_validate(tomllib.loads(_FILE.read_text()))
    return {each.id: each for each in table.achievement}
