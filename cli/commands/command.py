"""What a command is, and how it can end."""

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum

from cli.commands.printing import Printer
from nightshift.errors import NightshiftError
from nightshift.runtime import Runtime


class ExitCode(IntEnum):
    """How a command ended, as its caller's shell sees it."""

    DONE = 0
    # Findings; or what was asked for is not there, or is refused.
    FINDINGS = 1
    COULD_NOT_RUN = 2


class Refused(NightshiftError):
    """What was asked for is not there, or will not be done. The message says why, for a person."""


class CouldNotRun(NightshiftError):
    """The command could not do its work. The message says why, for a person."""


def _no_arguments(_: ArgumentParser) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command. Every command takes `--json` too, and one that `changes` something `--yes`."""

    name: str
    # In the list of commands, without a full stop.
    help: str
    # What else there is to know, in sentences.
    description: str
    # As it is typed after `./nightshift`.
    example: str
    run: Callable[[Runtime, Namespace, Printer], Awaitable[ExitCode]]
    add_arguments: Callable[[ArgumentParser], None] = _no_arguments
    changes: bool = False
    # Whether it works on documents. If not, it may name a project of its own (`--project`).
    asks_the_database: bool = True
    # Whether there is nothing to tell of a project that holds no document of ours.
    needs_documents: bool = False
