"""How each operator's program tells and ends: `./nightshift`, `make deploy` and `make destroy` alike.

What it finds goes to standard output, line by line. A failure is sentences on standard error, and an exit code: 0 done;
1 findings, not found or refused; 2 could not run.
"""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from cli import terminal
from cli.commands.command import ExitCode, Refused
from nightshift.errors import NightshiftError


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(sentences: str) -> None:
    """Say on standard error what keeps the program from its work."""
    sys.stderr.write(f"{terminal.told_in_lines(sentences)}\n")


def run_to_its_end(work: Coroutine[Any, Any, None], *, interrupted: str = "Interrupted.") -> ExitCode:
    """Do a program's work; returns its exit code."""
    try:
        asyncio.run(work)
    except NightshiftError as trouble:
        complain(str(trouble))
        return ExitCode.FINDINGS if isinstance(trouble, Refused) else ExitCode.COULD_NOT_RUN
    except KeyboardInterrupt:
        complain(interrupted)
        return ExitCode.COULD_NOT_RUN
    return ExitCode.DONE
