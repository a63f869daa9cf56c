"""The bucket of batch inputs and outputs, which only the functions reach; and the app's own.

What is in it can be made again from the database and the provider, until the batch is closed. So nothing is kept after
its deletion: a soft-deleted object costs as much as one that is there.
"""

import json
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

from deploy.change import Change, same
from deploy.command import ShellCommand
from deploy.deployment import Deployment

_LIFECYCLE: Final = "deploy/lifecycle.json"
_FLAGS: Final = (
    "--uniform-bucket-level-access",
    "--public-access-prevention",
    "--soft-delete-duration=0",
    f"--lifecycle-file={_LIFECYCLE}",
)


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the private bucket, or close it; have Firebase make the app's bucket, where it is the default one."""
    cloud, settings = deployment.cloud, deployment.settings
    buckets = await deployment.buckets()
    lifecycle = json.loads((deployment.root / _LIFECYCLE).read_text())
    address = f"gs://{settings.bucket}"
    if settings.bucket not in buckets:
        create = cloud.gcloud("storage", "buckets", "create", address, f"--location={cloud.region}", *_FLAGS)
        yield Change(action="create", what=address, commands=(create,))
    elif _is_as_declared(buckets[settings.bucket], lifecycle):
        yield same(address)
    else:
        yield Change(
            action="change", what=address, commands=(cloud.gcloud("storage", "buckets", "update", address, *_FLAGS),)
        )
    if settings.uploads_bucket in buckets:
        yield same(f"gs://{settings.uploads_bucket}, the app's")
        return
    # Firebase named the default bucket so until October 2024.
    older = f"{cloud.project}.appspot.com"
    if settings.uploads_bucket == f"{cloud.project}.firebasestorage.app" and older not in buckets:
        program = (sys.executable, "-P", "-m", "deploy.app_bucket")
        command = ShellCommand(arguments=(*program, f"--project={cloud.project}", f"--location={cloud.region}"))
        yield Change(action="create", what=f"gs://{settings.uploads_bucket}, the app's", commands=(command,))
    elif not cloud.blind_because:
        do_it = f"make it, and add it in https://console.firebase.google.com/project/{cloud.project}/storage"
        if older in buckets:
            do_it = f"gs://{older} is there; if the app uploads into it, set NIGHTSHIFT_UPLOADS_BUCKET={older}"
        yield Change(action="missing", what=f"gs://{settings.uploads_bucket}, the app's: {do_it}")


def _is_as_declared(bucket: dict[str, Any], lifecycle: dict[str, Any]) -> bool:
    access = bucket.get("iamConfiguration", {})
    return (
        access.get("uniformBucketLevelAccess", {}).get("enabled") is True
        and access.get("publicAccessPrevention") == "enforced"
        and int(bucket.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0)) == 0
        and bucket.get("lifecycle", {}).get("rule") == lifecycle["rule"]
    )
