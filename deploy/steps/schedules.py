"""The topics, and what Cloud Scheduler publishes on them: `scheduler/` does it, and prints its own plan."""

import sys
from collections.abc import AsyncIterator

from deploy.change import Change
from deploy.command import Command
from deploy.deployment import Deployment


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Let `scheduler/` compare, and do what is missing."""
    cloud = deployment.cloud
    # -P: what is imported is what PYTHONPATH names, wherever the caller stands.
    program = (sys.executable, "-P", "-m", "scheduler", "sync")
    command = Command(arguments=(*program, f"--project={cloud.project}", f"--location={cloud.region}", "--yes"))
    yield Change(action="check", what="scheduler/jobs.toml", commands=(command,))
