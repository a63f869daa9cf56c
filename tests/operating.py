"""The operator's commands as tests run them: in this process, with the functions' clock, or as a process of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nightshift.__main__ import COMMANDS
from nightshift.commands import running
from tests.world import World

FUNCTIONS = Path(__file__).parent.parent / "functions"


async def operate(
    world: World, capsys: pytest.CaptureFixture[str], *arguments: str, **changes: Any
) -> tuple[int, str, str]:
    """Run a command here; returns its exit code, what it printed, and what it complained about.

    `changes` are of its settings.
    """
    capsys.readouterr()
    code = await running.run(world.operators_runtime(**changes), running.parsed(COMMANDS, arguments))
    told = capsys.readouterr()
    return code, told.out, told.err


async def nightshift(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run a command as a process that has the environment and no more; returns what `operate` does."""
    return await _ended(await _started(arguments, environment, stdin=DEVNULL))


async def asked(answer: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command whose standard input is a terminal, and answer its question; returns what `operate` does."""
    keyboard, terminal = os.openpty()
    try:
        process = await _started(arguments, {}, stdin=terminal)
        os.write(keyboard, f"{answer}\n".encode())
        return await _ended(process)
    finally:
        os.close(keyboard)
        os.close(terminal)


async def _started(arguments: Sequence[str], environment: Mapping[str, str], stdin: int) -> Process:
    # The functions of this process set the variable; an operator's shell has none.
    inherited = {name: setting for name, setting in os.environ.items() if name != "FUNCTION_TARGET"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nightshift",
        *arguments,
        env={**inherited, "PYTHONPATH": str(FUNCTIONS), "COLUMNS": "200", **environment},
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
    )


async def _ended(process: Process) -> tuple[int, str, str]:
    output, complaints = await process.communicate()
    return process.returncode or 0, output.decode(), complaints.decode()
