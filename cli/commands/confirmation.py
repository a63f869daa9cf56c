"""A question before anything is changed, asked on standard error: standard output is what the command tells."""

import asyncio
import sys
from argparse import Namespace

from cli import terminal
from cli.commands.command import CouldNotRun, Refused


async def confirm(options: Namespace, change: str, typed: str = "") -> None:
    """Ask whether `change`, a sentence that names exactly what will be changed, may be done.

    Args:
        typed: what has to be typed for it in place of a yes, where nothing brings back what was changed.

    Raises:
        Refused: it may not.
        CouldNotRun: no terminal is there to ask at, and --yes was not given.
    """
    if options.yes:
        return
    change = f"In {options.project}: {change}"
    if not sys.stdin.isatty():
        raise CouldNotRun(f"{change} There is no terminal to confirm it at, so nothing was changed; --yes confirms it.")
    ask = f"Type {typed} to go on: " if typed else "Go on? [y/N] "
    sys.stderr.write(f"{terminal.told_in_lines(change)}\n{terminal.clean(ask)}")
    sys.stderr.flush()
    answer = (await _line()).strip()
    terminal.line_was_answered()
    if answer != typed if typed else answer.lower() not in {"y", "yes"}:
        raise Refused("Nothing was changed.")


async def _line() -> str:
    # Waited for, not read in a thread: Ctrl-C ends the waiting.
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
