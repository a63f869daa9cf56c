"""Runs the stack until Ctrl-C, and tells how to write a job and follow it.

python -m local.up [--speed 60] [--project demo-nightshift] [--live]
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from local.errors import StackError
from local.grant import grant_tokens
from local.instructions import instructions
from local.stack import Options, running_stack

USER = "alice"
TOKENS = 20
# A tick every ten minutes comes every ten seconds.
_SPEED = 60.0


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:  # before the event loop listened for it
        return 0


async def _run(options: Options) -> int:
    me = asyncio.current_task()
    assert me is not None  # noqa: S101 - a coroutine that runs has a task
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    print("Starting the stack ...", flush=True)
    try:
        async with running_stack(options, say=_say) as stack:
            await grant_tokens(stack.firestore_host, stack.project, USER, TOKENS)
            _say(instructions(stack, USER, TOKENS))
            await stack.failure()
            return 1
    except asyncio.CancelledError:
        _say("Stopped.")
        return 0
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


def _say(line: str) -> None:
    print(line, flush=True)


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m local.up", description="Run the local stack until Ctrl-C.")
    parser.add_argument("--project", default=Options.project, help="Google Cloud project id (%(default)s)")
    parser.add_argument(
        "--speed",
        type=float,
        default=_SPEED,
        help="virtual seconds per second of the scheduler (%(default)s)",
    )
    parser.add_argument("--live", action="store_true", help="ask OpenAI itself, with your OPENAI_API_KEY")
    parser.add_argument("--source", type=Path, default=Options.source, help="the functions' main.py (%(default)s)")
    chosen = parser.parse_args(arguments)
    return Options(project=chosen.project, speed=chosen.speed, live=chosen.live, source=chosen.source)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
