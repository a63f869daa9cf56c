"""The topics, and what Cloud Scheduler publishes on them: `./nightshift schedules` compares and does it."""

import json
import sys
from collections.abc import AsyncIterator
from typing import Final

from deploy.change import Change, same
from deploy.command import ShellCommand
from deploy.deployment import Deployment

_WHAT: Final = "of the table of functions"
# Topics and schedules that are not ours are left as they are.
_FINE: Final = {"same", "left"}


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Let `./nightshift schedules` say what is missing, and do it. If it cannot say, doing it finds out."""
    cloud = deployment.cloud
    # -P: what is imported is what PYTHONPATH names, wherever the caller stands.
    program = (
        sys.executable,
        "-P",
        "-m",
        "cli",
        "schedules",
        "sync",
        f"--project={cloud.project}",
        f"--region={cloud.region}",
    )
    command = ShellCommand(arguments=(*program, "--yes"))
    said = await cloud.hear(ShellCommand(arguments=(*program, "--plan", "--json")))
    if said is None:
        yield Change(action="check", what=_WHAT, commands=(command,))
        return
    steps = [told["step"] for line in said.splitlines() if "step" in (told := json.loads(line))]
    todo = [f"{step['action']} {step['kind']} {step['name']}" for step in steps if step["action"] not in _FINE]
    if todo:
        yield Change(action="change", what=f"{_WHAT}: {', '.join(todo)}", commands=(command,))
    else:
        yield same(_WHAT)
