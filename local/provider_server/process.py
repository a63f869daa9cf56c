"""A server as a process: its arguments, its one line once it accepts connections, and its clean end."""

import argparse
import asyncio
import signal
from collections.abc import Callable

from local.provider_server.pace import Pace
from local.provider_server.server import ProviderServer


def process_arguments(package: str) -> argparse.ArgumentParser:
    """What every server takes."""
    told = "Serve until a signal asks to stop."
    parser = argparse.ArgumentParser(prog=f"python -m local.{package}", description=told)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--api-key", help="the only key that is accepted (default: any)")
    parser.add_argument("--validating", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--in-progress", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--finalizing", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--answer", type=float, default=0, metavar="SECONDS", help="of an answer in real time")
    return parser


def pace_of(arguments: argparse.Namespace) -> Pace:
    """The pace that the command line asks for."""
    return Pace(
        validating_seconds=arguments.validating,
        in_progress_seconds=arguments.in_progress,
        finalizing_seconds=arguments.finalizing,
        answer_seconds=arguments.answer,
    )


async def serve_until_asked(
    server: ProviderServer, arguments: argparse.Namespace, *, api: str, answers: str = "stand-in, no model is asked"
) -> None:
    """Serve until SIGTERM or SIGINT, and remove all files. `api` and `answers` stand in the line that it prints."""
    stop = asyncio.Event()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(stop_signal, stop.set)
    async with server.serve(arguments.host, arguments.port) as base_url:
        print(f"{api} server on {base_url} (answers: {answers})", flush=True)
        await stop.wait()


def run_stand_in(package: str, api: str, server_of: Callable[[str | None, Pace], ProviderServer]) -> None:
    """The whole command of a server whose answers are the stand-in's."""
    arguments = process_arguments(package).parse_args()
    server = server_of(arguments.api_key, pace_of(arguments))
    asyncio.run(serve_until_asked(server, arguments, api=api))
