"""The operator's commands as tests run them: in this process, with the functions' clock, or as a process of its own.

A process takes a second to load what this one has loaded. It is for what only a process shows: its environment, what
its streams carry, its signals.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cli.__main__ import COMMANDS
from cli.commands import running
from tests.support.world import World

FUNCTIONS = Path(__file__).parents[2] / "functions"


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


async def nightshift(*arguments: str, **changes: str | None) -> tuple[int, str, str]:
    """Run a command as a process that has the environment and no more; returns what `operate` does."""
    return await _ended(await _started(arguments, changes, stdin=DEVNULL))


async def asked(world: World, capsys: pytest.CaptureFixture[str], answer: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command here whose standard input is a terminal, and answer its question; returns what `operate` does."""
    keyboard, terminal = os.openpty()
    try:
        os.write(keyboard, f"{answer}\n".encode())
        with open(terminal, closefd=False) as stdin, patch.object(sys, "stdin", stdin):  # noqa: ASYNC230
            return await operate(world, capsys, *arguments)
    finally:
        os.close(keyboard)
        os.close(terminal)


async def asked_apart(answer: str | None, *arguments: str) -> tuple[int, str, str]:
    """The same as a process of its own; None: its question is interrupted, as by Ctrl-C."""
    keyboard, terminal = os.openpty()
    try:
        process = await _started(arguments, {}, stdin=terminal)
        if answer is None:
            assert process.stderr
            question = await process.stderr.readuntil(b"[y/N]")
            process.send_signal(signal.SIGINT)
            code, output, complaints = await _ended(process)
            return code, output, question.decode() + complaints
        os.write(keyboard, f"{answer}\n".encode())
        return await _ended(process)
    finally:
        os.close(keyboard)
        os.close(terminal)


def environment(**changes: str | None) -> dict[str, str]:
    """What an operator's shell has; None = not that."""
    # The functions of this process set the variable.
    path = f"{FUNCTIONS}:{FUNCTIONS.parent}"
    variables = {**os.environ, "FUNCTION_TARGET": None, "PYTHONPATH": path, "COLUMNS": "200", **changes}
    return {name: setting for name, setting in variables.items() if setting is not None}


async def _started(arguments: Sequence[str], changes: Mapping[str, str | None], stdin: int) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *arguments,
        env=environment(**changes),
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
    )


async def _ended(process: Process) -> tuple[int, str, str]:
    output, complaints = await process.communicate()
    return process.returncode or 0, output.decode(), complaints.decode()
