"""One row of a plan: what is to be done about one schedule, topic or subscription."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What a step does; `same` and `left` do nothing."""

    CREATE = "create"
    CHANGE = "change"
    SAME = "same"
    REMOVE = "remove"
    LEFT = "left"


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """What a field is, and what it is to be."""

    old: str
    new: str


async def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """What is to be done, and why. `act` does it, to the same end however often it is called."""

    action: Action
    kind: str  # schedule, topic or subscription
    name: str
    changes: Mapping[str, FieldChange] = field(default_factory=dict)
    note: str = ""
    act: Callable[[], Awaitable[None]] = _nothing
