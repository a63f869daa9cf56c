"""Runs one command that cannot outlive the process that wanted it.

    python -m local.leash -- COMMAND ARGUMENTS...

The stack is a dozen processes, and a stack that is killed (Ctrl-C twice, a closed laptop, `kill -9`, a test
runner's time limit) must leave none of them behind. No code of the killed process can see to that, so the
proof of its life is a pipe: the leash reads its standard input, whose other end only the parent holds. The
kernel closes that end however the parent dies, the leash reads end-of-file, and the command's whole process
group is terminated: SIGTERM, then SIGKILL after three seconds. Closing the pipe on purpose is also how a
living parent stops a command, so there is one way to stop and it is always in use.

The leash is a session of its own, since a terminal's Ctrl-C would otherwise reach the command before its
parent decides the order of things. It imports only what the interpreter has loaded anyway, for it starts once
per part. It works on Linux and macOS alike: no prctl, no cgroups.
"""

import contextlib
import os
import select
import signal
import sys
import time

GRACE_SECONDS = 3.0
_PARENT = 0  # standard input: readable for ever, until the parent is gone


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code (128 + N if signal N ended it, 127 if it cannot be started)."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print("usage: python -m local.leash -- COMMAND ARGUMENTS...", file=sys.stderr)
        return 2
    wake = _wake_pipe()
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setpgroup=0,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP],
        )
    except OSError as error:
        print(f"leash: cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    code = _watch(child, wake)
    return _terminate(child, wake) if code is None else code


def _wake_pipe() -> int:
    """A descriptor that turns readable when a signal has come, so that one `select` waits for everything."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return readable


def _watch(child: int, wake: int) -> int | None:
    """Wait for the command to end (its exit code) or for the wish to end it (None)."""
    while True:
        code = _exit_code(child)
        if code is not None:
            _signal_group(child, signal.SIGKILL)  # what it started must not outlive it either
            return code
        readable, _, _ = select.select([_PARENT, wake], [], [])
        if wake in readable and set(os.read(wake, 64)) - {signal.SIGCHLD}:
            return None
        if _PARENT in readable and not os.read(_PARENT, 512):
            return None


def _terminate(child: int, wake: int) -> int:
    _signal_group(child, signal.SIGTERM)
    give_up_at = time.monotonic() + GRACE_SECONDS
    while (code := _exit_code(child)) is None and (left := give_up_at - time.monotonic()) > 0:
        readable, _, _ = select.select([wake], [], [], left)
        if readable:
            os.read(wake, 64)
    _signal_group(child, signal.SIGKILL)
    if code is None:
        code = _as_shell(os.waitpid(child, 0)[1])
    return code


def _exit_code(child: int) -> int | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return _as_shell(status) if pid else None


def _as_shell(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _signal_group(group: int, number: signal.Signals) -> None:
    # No process is left: ESRCH. macOS says EPERM while the last member is being reaped.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
