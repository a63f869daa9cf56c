"""How each of the programs here begins: what is declared for a project, and who acts on it."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy import options
from deploy.cloud import Cloud
from deploy.command import ShellCommand
from deploy.deployment import Deployment
from deploy.errors import DeployError
from deploy.shell import Processes, Shell

ROOT: Final = Path(__file__).parents[1]
_PROGRAMS: Final = {
    "gcloud": "the Google Cloud CLI (https://cloud.google.com/sdk/docs/install)",
    "npx": "Node.js 20 or newer (https://nodejs.org); it runs the Firebase CLI, which alone can release rules",
}
# https://cloud.google.com/resource-manager/docs/creating-managing-projects; names and addresses are made of it.
_PROJECT: Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
# A metric is known to alerts after ten minutes, grants and APIs after a few: https://cloud.google.com/iam/docs/access-change-propagation
_PAUSE_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 1200.0
# An index over many documents takes hours.
_BUILD_PATIENCE_SECONDS: Final = 3600.0


async def begin(
    project: str, region: str, caller: Mapping[str, str], *, email: str | None = None, may_be_blind: bool = False
) -> Deployment:
    """Read what is declared, and find the project.

    Raises:
        DeployError: a program, a setting or the credentials are missing or wrong; nothing was changed.
    """
    if not _PROJECT.fullmatch(project):
        raise DeployError(f"{project!r} is no id of a project.")
    for program, what in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise DeployError(f"`{program}` is not installed: get {what}.")
    variables, choices = options.divided(options.read_settings(ROOT / "deploy" / "settings" / f"{project}.env"))
    secrets = options.given_secrets(caller)
    settings = options.check_settings(project, variables, secrets, caller)
    shell = Processes(ROOT, project, caller)
    cloud = Cloud(
        project=project,
        region=region,
        shell=shell,
        may_be_blind=may_be_blind,
        pause_seconds=_PAUSE_SECONDS,
        patience_seconds=PATIENCE_SECONDS,
        build_patience_seconds=_BUILD_PATIENCE_SECONDS,
    )
    await cloud.open()
    if not may_be_blind:
        await _find_credentials(shell)
    return Deployment(
        cloud=cloud,
        root=ROOT,
        settings=settings,
        variables=variables,
        secrets=secrets,
        email=email,
        choices=choices,
    )


async def _find_credentials(shell: Shell) -> None:
    """See that the Firebase CLI and `scheduler/` will find Google's credentials, before anything is changed."""
    answer = await shell.run(
        ShellCommand(arguments=("gcloud", "auth", "application-default", "print-access-token", "--quiet"))
    )
    if answer.exit_code:
        raise DeployError("Nothing was changed: run `gcloud auth application-default login` first.")
