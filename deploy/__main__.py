"""`python -m deploy --project P [--region R] [--plan] [--email A]`: bring a project to what this checkout declares.

The plan is printed first, and nothing is asked. `--plan` ends there. The keys come from OPENAI_API_KEY and
OPENAI_WEBHOOK_SECRET, and only if they are new. Exit code 0: all is as declared (or planned). 1: a person has to bring
something. 2: it could not be done. To run it again is always safe.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from cli import terminal
from cli.program import run_to_its_end, say
from deploy import run
from deploy.begin import begin
from deploy.errors import Unfinished
from deploy.lock import held
from deploy.summary import summary

_REGION: Final = "asia-south1"
INTERRUPTED: Final = "Interrupted. To run it again is safe."


def main(arguments: Sequence[str]) -> int:
    """Deploy; returns the exit code."""
    terminal.protect()
    parser = argparse.ArgumentParser(prog="python -m deploy", description=(__doc__ or "").partition("\n")[2].strip())
    parser.add_argument("--project", required=True, help="the id of a Google Cloud project with billing")
    parser.add_argument("--region", default=_REGION, help=f"of the functions, and of what is created ({_REGION})")
    parser.add_argument(
        "--plan", action="store_true", help="print what would be done by which commands; change nothing"
    )
    parser.add_argument("--email", help="the address to which alerts are sent")
    given = parser.parse_args(arguments)
    work = _deploy(project=given.project, region=given.region, email=given.email, is_plan=given.plan)
    return run_to_its_end(work, interrupted=INTERRUPTED)


async def _deploy(*, project: str, region: str, email: str | None, is_plan: bool) -> None:
    deployment = await begin(project, region, os.environ, email=email, may_be_blind=is_plan)
    planned = await run.plan(deployment, say, with_commands=is_plan)
    if is_plan:
        return
    run.refuse_if_missing(planned)
    async with held(deployment):
        say("")
        left = await run.take(deployment, say)
    for line in await summary(deployment):
        say(line)
    if left:
        raise Unfinished("\n".join(["", "All else is deployed, but this is left to do:", *left]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
