"""What a step finds: one line of the plan, with the commands that would bring it about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from deploy.command import ShellCommand
from deploy.troubles import GoogleTrouble

# "check": only the program that is called can tell what there is to do; it compares, and does what is missing.
# "missing": a person has to bring it first; nothing is changed until then.
# "note": nothing to do, but a person should know.
Action = Literal["create", "change", "remove", "same", "check", "wait", "left out", "missing", "note"]


@dataclass(frozen=True, kw_only=True)
class Instead:
    """What has the same effect as a command that Google refuses for one reason."""

    refused_by: GoogleTrouble
    commands: tuple[ShellCommand, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing, and what becomes of it."""

    action: Action
    what: str
    commands: tuple[ShellCommand, ...] = ()
    # Asked after the commands, again and again, until it says yes.
    until: Callable[[], Awaitable[bool]] | None = None
    instead: Instead | None = None

    @property
    def is_needed(self) -> bool:
        """Whether there is something to do."""
        return bool(self.commands) or self.until is not None


def same(what: str) -> Change:
    """It is as it is declared."""
    return Change(action="same", what=what)
