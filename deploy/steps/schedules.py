"""The topics, and what Cloud Scheduler publishes on them: `scheduler/` compares and does it."""

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
    """Let `scheduler/` say what is missing, and do it. Where it cannot say, it finds out when it is done."""
    cloud = deployment.cloud
    # -P: what is imported is what PYTHONPATH names, wherever the caller stands.
    program = (
        sys.executable,
        "-P",
        "-m",
        "scheduler",
        "sync",
        f"--project={cloud.project}",
        f"--location={cloud.region}",
    )
    command = ShellCommand(arguments=(*program, "--yes"))
    said = await cloud.hear(ShellCommand(arguments=(*program, "--dry-run", "--json")))
    if said is None:
        yield Change(action="check", what=_WHAT, commands=(command,))
        return
    steps = [step for line in said.splitlines() if "action" in (step := json.loads(line))]
    todo = [f"{step['action']} {step['kind']} {step['name']}" for step in steps if step["action"] not in _FINE]
    if todo:
        yield Change(action="change", what=f"{_WHAT}: {', '.join(todo)}", commands=(command,))
    else:
        yield same(_WHAT)
