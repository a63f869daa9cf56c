"""The leash, with real processes: whatever happens to the parent, its command goes."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process

import pytest

from local import leash
from tests.support.patience import patience

# A command with a child of its own; it tells both process ids.
FAMILY = ("sh", "-c", "sleep 3000 & echo $$ $!; wait")
STUBBORN = ("sh", "-c", "trap '' TERM; echo $$ $$; while true; do sleep 1; done")


async def descendants(pid: int) -> set[int]:
    """The process ids of everything that `pid` has started, directly or not."""
    children: dict[int, list[int]] = {}
    for row in (await ps("-axo", "pid=,ppid=")).splitlines():
        child, parent = map(int, row.split())
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    unseen = [pid]
    while unseen:
        below = children.get(unseen.pop(), [])
        found.update(below)
        unseen.extend(below)
    return found


async def running(pids: set[int]) -> set[int]:
    """Which of them still run; a zombie, which is not reaped yet, does not."""
    if not pids:
        return set()
    rows = (await ps("-o", "pid=,stat=", "-p", ",".join(map(str, pids)))).splitlines()
    return {int(row.split()[0]) for row in rows if not row.split()[1].startswith("Z")}


async def gone(pids: set[int]) -> None:
    """Return when all of them are gone; they sleep for longer than this waits."""
    async with patience():
        while await running(pids):  # noqa: ASYNC110 - `ps` sends no events
            await asyncio.sleep(0.05)


async def ps(*options: str) -> str:
    """What `ps` tells, in options that Linux and macOS share."""
    process = await asyncio.create_subprocess_exec("ps", *options, stdout=PIPE)
    output, _ = await process.communicate()
    return output.decode()


async def start(*command: str) -> tuple[Process, set[int]]:
    """A leashed command, and the process ids that its first line tells."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", leash.__file__, "--", *command, stdin=PIPE, stdout=PIPE
    )
    assert process.stdout
    return process, {int(word) for word in (await process.stdout.readline()).split()}


async def test_a_command_ends_with_its_children_when_the_parent_is_killed() -> None:
    """SIGKILL leaves the parent no moment to clean up, and still nothing stays."""
    parent_code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen({[sys.executable, leash.__file__, '--', *FAMILY]!r}, stdin=subprocess.PIPE)\n"
        "time.sleep(3000)\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", parent_code, stdout=PIPE)
    assert parent.stdout
    family = {int(word) for word in (await parent.stdout.readline()).split()}
    assert await running(family) == family

    parent.kill()
    await parent.wait()

    await gone(family)


async def test_a_command_ends_when_the_pipe_is_closed() -> None:
    """Closing the pipe is how a living parent stops its command."""
    process, family = await start(*FAMILY)

    assert process.stdin
    process.stdin.close()

    assert await process.wait() == 128 + signal.SIGTERM
    await gone(family)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_command_ends_when_the_leash_is_interrupted(number: signal.Signals) -> None:
    """A signal to the leash is passed on as the wish to end."""
    process, family = await start(*FAMILY)

    process.send_signal(number)

    await process.wait()
    await gone(family)


async def test_a_command_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    """It has three seconds."""
    process, family = await start(*STUBBORN)
    started_at = time.monotonic()

    assert process.stdin
    process.stdin.close()

    assert await process.wait() == 128 + signal.SIGKILL
    assert time.monotonic() - started_at > leash.GRACE_SECONDS - 0.1
    await gone(family)


async def test_what_a_command_leaves_behind_goes_with_it() -> None:
    """A command that ends by itself takes the children along that it forgot."""
    process, family = await start("sh", "-c", "sleep 3000 & echo $!; exit 7")

    assert await process.wait() == 7
    await gone(family)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "kill -9 $$"], 128 + signal.SIGKILL),
        (["/no/such/command"], 127),
        ([], 2),
    ],
)
async def test_the_exit_code_is_the_commands_own(command: list[str], code: int) -> None:
    """A leash changes nothing about how a command ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, leash.__file__, "--", *command, stdin=PIPE, stderr=asyncio.subprocess.DEVNULL
    )

    assert await process.wait() == code


async def test_a_command_reads_nothing_from_the_leashs_pipe() -> None:
    """The pipe is proof of life and no input: the command finds an empty one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, leash.__file__, "--", "cat"), stdin=PIPE, stdout=PIPE, env=dict(os.environ)
    )

    assert process.stdin
    process.stdin.write(b"for the leash alone\n")
    await process.stdin.drain()
    assert process.stdout

    assert await process.stdout.read() == b""
    assert await process.wait() == 0
