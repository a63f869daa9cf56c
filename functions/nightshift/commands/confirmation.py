"""A question before anything is changed, asked on standard error: standard output is what the command tells."""

import asyncio
import sys
from argparse import Namespace

from nightshift.commands.command import CouldNotRun, Refused


async def confirm(options: Namespace, change: str) -> None:
    """Ask whether `change`, a sentence that names exactly what will be changed, may be done.

    Raises:
        Refused: it may not.
        CouldNotRun: nobody is there to be asked, and there is no --yes.
    """
    if options.yes:
        return
    change = f"In {options.project}: {change}"
    if not sys.stdin.isatty():
        raise CouldNotRun(f"{change} Nobody is there to confirm it, so nothing was changed; --yes confirms it.")
    sys.stderr.write(f"{change}\nGo on? [y/N] ")
    sys.stderr.flush()
    if (await _line()).strip().lower() not in {"y", "yes"}:
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
