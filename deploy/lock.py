"""One deployment at a time: an object in the private bucket, which only one of two creators can make.

Two deployments that interleave would undo each other's changes, and each would find a project that it does not know.
The very first one makes the bucket, and goes on without a lock. A deployment that died leaves its lock behind. Only a
person can tell whether it still runs. So the message names its owner, its time, and how to remove it.
"""

import getpass
import platform
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from pydantic import SecretStr

from deploy.command import ShellCommand
from deploy.deployment import Deployment
from deploy.errors import CommandFailed, DeployError

_OBJECT: Final = "deployment.lock"


@asynccontextmanager
async def held(deployment: Deployment) -> AsyncIterator[None]:
    """Hold the lock for the length of an `async with`.

    Raises:
        DeployError: another deployment holds it.
    """
    cloud = deployment.cloud
    if deployment.settings.bucket not in await deployment.buckets():
        yield
        return
    address = f"gs://{deployment.settings.bucket}/{_OBJECT}"
    name = f"{getpass.getuser()} on {platform.node()}"
    ours = f"{name}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC ({secrets.token_hex(4)})"
    # Generation 0: only if there is no such object.
    take = cloud.gcloud("storage", "cp", "-", address, "--if-generation-match=0")
    try:
        await cloud.do(ShellCommand(arguments=take.arguments, stdin=SecretStr(ours)))
    except CommandFailed:
        # It is ours if the answer was lost.
        theirs = await cloud.read("storage", "cat", address)
        if theirs is None:
            raise
        if theirs != ours:
            remove = cloud.gcloud("storage", "rm", address)
            raise DeployError(
                f"Another deployment is under way, by {theirs}. Nothing was changed.\nIf it died, run: {remove}"
            ) from None
    try:
        yield
    finally:
        await cloud.do(cloud.gcloud("storage", "rm", address))
