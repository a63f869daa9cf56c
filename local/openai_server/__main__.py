"""The server as a process: `python -m local.openai_server --port 8080 --api-key test-key`.

Prints one line when it accepts connections and ends cleanly, with its files removed, on SIGTERM or SIGINT.
"""

import argparse
import asyncio
import os
import signal

from local.openai_server.server import OpenAIServer
from local.provider_server.pace import Pace


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.openai_server", description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--api-key", help="the only key that is accepted (default: any)")
    parser.add_argument("--validating", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--in-progress", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--finalizing", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--answer", type=float, default=0, metavar="SECONDS", help="of a direct chat completion")
    parser.add_argument("--longest-answer", type=float, default=0, metavar="SECONDS", help="where these vary")
    parser.add_argument("--answers-at-once", type=int, default=0, help="the others wait; 0 = any number")
    parser.add_argument("--requests-per-minute", type=int, default=0, help="direct chat completions; 0 = no limit")
    parser.add_argument("--requests-burst", type=int, default=0, help="of these, at once; 0 = those of a minute")
    parser.add_argument("--upstream", metavar="URL", help="base URL of an OpenAI-compatible server that answers")
    parser.add_argument("--upstream-key-env", metavar="NAME", help="environment variable with the upstream's key")
    parser.add_argument("--upstream-concurrency", type=int, default=8)
    parser.add_argument("--max-requests", type=int, default=50_000, help="requests in one batch")
    parser.add_argument("--webhook-url", metavar="URL", help="gets an event for every batch that has ended")
    parser.add_argument("--webhook-secret", metavar="SECRET", help="whsec_..., signs the events")
    arguments = parser.parse_args()
    if arguments.webhook_url and not arguments.webhook_secret:
        parser.error("--webhook-url needs --webhook-secret")
    return arguments


async def run(arguments: argparse.Namespace) -> None:
    """Serve until a signal asks to stop."""
    server = OpenAIServer(
        arguments.api_key,
        Pace(
            validating_seconds=arguments.validating,
            in_progress_seconds=arguments.in_progress,
            finalizing_seconds=arguments.finalizing,
            answer_seconds=arguments.answer,
            longest_answer_seconds=arguments.longest_answer,
            answers_at_once=arguments.answers_at_once,
        ),
        arguments.upstream,
        upstream_key=os.environ[arguments.upstream_key_env] if arguments.upstream_key_env else None,
        upstream_concurrency=arguments.upstream_concurrency,
        max_requests=arguments.max_requests,
        requests_per_minute=arguments.requests_per_minute,
        requests_burst=arguments.requests_burst,
        webhook_url=arguments.webhook_url,
        webhook_secret=arguments.webhook_secret,
    )
    stop = asyncio.Event()
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(stop_signal, stop.set)
    async with server.serve(arguments.host, arguments.port) as base_url:
        source = f"from {arguments.upstream}" if arguments.upstream else "stand-in, no model is asked"
        print(f"openai-compatible server on {base_url} (answers: {source})", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run(read_arguments()))
