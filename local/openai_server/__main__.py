"""The server as a process: `python -m local.openai_server --port 8080 --api-key test-key`.

Prints one line when it accepts connections and ends cleanly, with its files removed, on SIGTERM or SIGINT.
"""

import argparse
import asyncio
import os
from dataclasses import replace

from local.openai_server.server import OpenAIServer
from local.provider_server.process import pace_of, process_arguments, serve_until_asked


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = process_arguments("openai_server")
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
        replace(
            pace_of(arguments),
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
    source = {"answers": f"from {arguments.upstream}"} if arguments.upstream else {}
    await serve_until_asked(server, arguments, api="openai-compatible", **source)


if __name__ == "__main__":
    asyncio.run(run(read_arguments()))
