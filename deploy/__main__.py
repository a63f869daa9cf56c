"""`python -m deploy --project P [--region R] [--plan] [--email A]`: bring a project to what this checkout declares.

The plan is printed first, and nothing is asked. `--plan` ends there. The keys come from OPENAI_API_KEY and
OPENAI_WEBHOOK_SECRET, and only if they are new. Exit code 0: all is as declared (or planned). 1: it is not; a sentence
says why. 130: it was stopped. To run it again is always safe.
"""

import argparse
import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cli import terminal
from deploy import options, run
from deploy.cloud import Cloud
from deploy.command import Command
from deploy.deployment import Deployment
from deploy.errors import DeployError
from deploy.shell import Processes, Shell
from deploy.summary import summary

ROOT: Final = Path(__file__).parents[1]
_REGION: Final = "asia-south1"
_PROGRAMS: Final = {
    "gcloud": "the Google Cloud CLI (https://cloud.google.com/sdk/docs/install)",
    "npx": "Node.js 20 or newer (https://nodejs.org); it runs the Firebase CLI, which alone can release rules",
}
# https://cloud.google.com/resource-manager/docs/creating-managing-projects; names and addresses are made of it.
_PROJECT: Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
# A metric is known to alerts after ten minutes, grants and APIs after a few: https://cloud.google.com/iam/docs/access-change-propagation
_PAUSE_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 1200.0
# An index over many documents takes hours.
_BUILD_PATIENCE_SECONDS: Final = 3600.0


def main(arguments: Sequence[str]) -> int:
    """Deploy; returns the exit code."""
    terminal.protect()
    parser = argparse.ArgumentParser(prog="python -m deploy", description=(__doc__ or "").partition("\n")[2].strip())
    parser.add_argument("--project", required=True, help="the id of a Google Cloud project with billing")
    parser.add_argument("--region", default=_REGION, help=f"of the functions, and of what is created ({_REGION})")
    parser.add_argument(
        "--plan", action="store_true", help="print what would be done by which commands; change nothing"
    )
    parser.add_argument("--email", help="who is told of alerts")
    given = parser.parse_args(arguments)
    try:
        asyncio.run(
            _deploy(
                project=given.project, region=given.region, email=given.email, is_plan=given.plan, caller=os.environ
            )
        )
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. To run it again is safe.", file=sys.stderr)
        return 130
    return 0


async def _deploy(*, project: str, region: str, email: str | None, is_plan: bool, caller: Mapping[str, str]) -> None:
    if not _PROJECT.fullmatch(project):
        raise DeployError(f"{project!r} is no id of a project.")
    for program, what in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise DeployError(f"`{program}` is not installed: get {what}.")
    settings_file = ROOT / "deploy" / "settings" / f"{project}.env"
    variables, choices = options.divided(options.read_settings(settings_file))
    secrets = options.given_secrets(caller)
    settings = options.check_settings(project, variables, secrets, caller)
    shell = Processes(ROOT, project, caller)
    cloud = Cloud(
        project=project,
        region=region,
        shell=shell,
        may_be_blind=is_plan,
        pause_seconds=_PAUSE_SECONDS,
        patience_seconds=_PATIENCE_SECONDS,
        build_patience_seconds=_BUILD_PATIENCE_SECONDS,
    )
    await cloud.open()
    deployment = Deployment(
        cloud=cloud,
        root=ROOT,
        settings=settings,
        variables=variables,
        secrets=secrets,
        email=email,
        choices=choices,
    )
    planned = await run.plan(deployment, _say, with_commands=is_plan)
    if is_plan:
        return
    run.refuse_if_missing(planned)
    await _find_credentials(shell)
    _say("")
    left = await run.take(deployment, _say)
    for line in await summary(deployment):
        _say(line)
    if left:
        raise DeployError("\n".join(["", "All else is deployed, but this is left to do:", *left]))


async def _find_credentials(shell: Shell) -> None:
    """See that the Firebase CLI and `scheduler/` will find Google's credentials, before anything is changed."""
    answer = await shell.run(
        Command(arguments=("gcloud", "auth", "application-default", "print-access-token", "--quiet"))
    )
    if answer.exit_code:
        raise DeployError("Nothing was changed: run `gcloud auth application-default login` first.")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
