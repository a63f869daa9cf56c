"""The operator's commands as tests run them: in this process, with the functions' clock, or as a process of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
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


async def nightshift(*arguments: str, stdin: int | None = None, **environment: str) -> tuple[int, str, str]:
    """Run a command as a process that has the environment and no more; returns what `operate` does."""
    # The functions of this process set the variable; an operator's shell has none.
    inherited = {name: setting for name, setting in os.environ.items() if name != "FUNCTION_TARGET"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nightshift",
        *arguments,
        env=inherited | {"PYTHONPATH": str(FUNCTIONS), "COLUMNS": "200"} | environment,
        stdin=stdin if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    output, complaints = await process.communicate()
    return process.returncode or 0, output.decode(), complaints.decode()
