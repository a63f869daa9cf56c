"""Runs the stack until Ctrl-C, and tells how to write a job and follow it.

python -m local.up [--speed 60] [--project demo-nightshift] [--live] [--lan]

An app that is configured for the Firebase Emulator Suite finds Firestore, Auth and Storage at the same ports. The
functions start again when their code changes; what the emulators hold stays until the stack stops.
"""

import argparse
import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path

from local.answering import Answering, upstream, who_answers
from local.errors import StackError
from local.grant import grant_tokens
from local.instructions import instructions
from local.lanes import LOCAL_LANES
from local.refusals import follow_refusals
from local.stack import Options, Stack, running_stack

# Who can sign in at once; each user who signs up gets as many tokens.
USER, ADMIN = "alice", "admin"
PASSWORD = "nightshift"  # noqa: S105 - of two users of the local stack
TOKENS = 20
# A tick every ten minutes comes every ten seconds.
_SPEED = 60.0


def main(arguments: list[str]) -> int:
    try:
        return asyncio.run(_run(_chosen(arguments)))
    except KeyboardInterrupt:  # before the event loop listened for it
        return 0


async def _run(chosen: argparse.Namespace) -> int:
    me = asyncio.current_task()
    assert me is not None  # noqa: S101 - a coroutine that runs has a task
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    print("Starting the stack ...", flush=True)
    try:
        answering = await _answering(chosen)
        options = Options(
            project=chosen.project,
            speed=chosen.speed,
            source=chosen.source,
            answering=answering,
            standard_ports=True,
            lan=chosen.lan,
            welcome_tokens=TOKENS,
            follow_changes=True,
            messages=True,
            lanes=LOCAL_LANES,
            dashboard=True,
            settings={"NIGHTSHIFT_ECONOMY": "true"},
        )
        async with running_stack(options, say=_say) as stack:
            _say(textwrap.fill(answering.sentence, 80))
            await grant_tokens(stack.firestore_host, stack.project, USER, TOKENS)
            _create(stack, USER)
            _create(stack, ADMIN, customAttributes='{"admin": true}')
            _say(instructions(stack, USER, PASSWORD, TOKENS))
            telling = asyncio.create_task(follow_refusals(stack.function_logs(), _say))
            try:
                await stack.failure()
            finally:
                telling.cancel()
            return 1
    except asyncio.CancelledError:
        _say("Stopped.")
        return 0
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


async def _answering(chosen: argparse.Namespace) -> Answering:
    if not chosen.upstream:
        return await who_answers(os.environ, live=chosen.live)
    key = os.environ.get("UPSTREAM_API_KEY", "")
    return upstream(chosen.upstream, key=key, model=chosen.model, concurrency=chosen.concurrency)


def _create(stack: Stack, uid: str, **more: str) -> None:
    who = {"localId": uid, "email": f"{uid}@example.com", "password": PASSWORD, "emailVerified": True}
    stack.users.admin.create(who | more)


def _say(line: str) -> None:
    print(line, flush=True)


def _chosen(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.up", description="Run the local stack until Ctrl-C.")
    parser.add_argument("--project", default=Options.project, help="Google Cloud project id (%(default)s)")
    parser.add_argument(
        "--speed",
        type=float,
        default=_SPEED,
        help="virtual seconds per second of the scheduler (%(default)s)",
    )
    parser.add_argument("--live", action="store_true", help="ask OpenAI itself, with your OPENAI_API_KEY")
    parser.add_argument(
        "--upstream", metavar="URL", help="ask this OpenAI-compatible server (key: UPSTREAM_API_KEY), one by one"
    )
    parser.add_argument("--model", default="", help="the model's name there")
    parser.add_argument("--concurrency", type=int, default=1, help="answers it is asked for at once (%(default)s)")
    parser.add_argument("--lan", action="store_true", help="also for a phone in the same network, and all else in it")
    parser.add_argument("--source", type=Path, default=Options.source, help="the functions' main.py (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
