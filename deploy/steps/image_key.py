"""The HMAC key that signs images' addresses: of an account that may only read uploads, and kept in Secret Manager.

Google shows a key's secret once, in the answer to its creation. So that answer goes straight into the secret, and is
shown nowhere. A deployment that dies in between leaves a key that no version holds: the next one takes it away.

- A key lives as long as an enabled version holds it. The newest enabled version signs, if its key is active.
- So a new version is a rotation, and the older one keeps the addresses alive that were signed by it.
- An organisation may forbid such keys. Then the secret gets a label, and the functions sign through IAM. By hand, the
  label does the same; without it, a key is made again.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from deploy.accounts import IMAGES, email
from deploy.change import Change, Instead, same
from deploy.command import ShellCommand
from deploy.deployment import Deployment
from deploy.troubles import KEYS
from nightshift.functions import IMAGE_KEY

_THROUGH_IAM: Final = ("signed-by", "iam")
# `ACCESS_ID:SECRET`, as the functions read it.
_AS_READ: Final = '--format=value[separator=":"](metadata.accessId,secret)'


@dataclass(frozen=True, kw_only=True)
class _ImageKeys:
    """What there is."""

    # The account's keys: access id → state.
    keys: dict[str, str]
    # The version of each key that an enabled version holds.
    versions: dict[str, int]
    # The number of the version that would come next.
    next_version: int
    signs_through_iam: bool

    @property
    def version(self) -> int:
        """The version that the functions get; the next one where none can be used; 0 where they sign through IAM."""
        return 0 if self.signs_through_iam else self.usable or self.next_version

    @property
    def usable(self) -> int:
        """The newest enabled version, if its key is active; else 0."""
        newest = max(self.versions, key=self.versions.__getitem__, default=None)
        return self.versions[newest] if newest and self.keys.get(newest) == "ACTIVE" else 0


async def version(deployment: Deployment) -> int:
    """The version that the functions get; 0 where they sign through IAM."""
    return (await _found(deployment)).version


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Take away the keys that no version holds, and make one where none can be used."""
    cloud, found = deployment.cloud, await _found(deployment)
    if IMAGE_KEY not in await deployment.secret_names():
        create = cloud.gcloud("secrets", "create", IMAGE_KEY, "--replication-policy=automatic")
        yield Change(action="create", what=f"{IMAGE_KEY}, still without a key", commands=(create,))
    for access_id in sorted(found.keys.keys() - found.versions.keys()):
        yield removal(deployment, access_id, found.keys[access_id])
    if found.signs_through_iam:
        undo = f"gcloud secrets update {IMAGE_KEY} --remove-labels={_THROUGH_IAM[0]} --project={cloud.project}"
        yield Change(action="left out", what=f"{IMAGE_KEY}: IAM signs, for 12 hours. Once keys are allowed: {undo}")
    elif found.usable:
        yield same(f"{IMAGE_KEY}, version {found.usable}")
    else:
        make = cloud.gcloud("storage", "hmac", "create", email(cloud, IMAGES), _AS_READ)
        add = cloud.gcloud("secrets", "versions", "add", IMAGE_KEY, "--data-file=-")
        through_iam = cloud.gcloud("secrets", "update", IMAGE_KEY, f"--update-labels={'='.join(_THROUGH_IAM)}")
        yield Change(
            action="create",
            what=f"{IMAGE_KEY}, version {found.next_version}",
            commands=(ShellCommand(arguments=add.arguments, reads=make),),
            instead=Instead(refused_by=KEYS, commands=(through_iam,)),
        )


async def removals(deployment: Deployment) -> AsyncIterator[Change]:
    """Take every key away."""
    for access_id, state in sorted((await _keys(deployment)).items()):
        yield removal(deployment, access_id, state)


def removal(deployment: Deployment, access_id: str, state: str) -> Change:
    """Take one key away. Google deletes only one that is not active."""
    hmac = ("storage", "hmac")
    deactivate = deployment.cloud.gcloud(*hmac, "update", access_id, "--deactivate")
    delete = deployment.cloud.gcloud(*hmac, "delete", access_id)
    commands = (deactivate, delete) if state == "ACTIVE" else (delete,)
    return Change(action="remove", what=f"the key {access_id}, which signs no more", commands=commands)


async def _keys(deployment: Deployment) -> dict[str, str]:
    whose = f"--service-account={email(deployment.cloud, IMAGES)}"
    listed = await deployment.cloud.look("storage", "hmac", "list", "--long", whose) or []
    return {key["accessId"]: key["state"] for key in listed}


async def _found(deployment: Deployment) -> _ImageKeys:
    cloud = deployment.cloud
    listed: list[dict[str, Any]] = await cloud.look("secrets", "list") or []
    labels = next((one.get("labels", {}) for one in listed if one["name"].endswith(f"/{IMAGE_KEY}")), None)
    kept: list[dict[str, Any]] = []
    if labels is not None:
        kept = await cloud.look("secrets", "versions", "list", IMAGE_KEY) or []
    numbers = {int(one["name"].rpartition("/")[2]): one["state"] for one in kept}
    versions = {}
    for number in sorted(number for number, state in numbers.items() if state == "ENABLED"):
        value = await cloud.read("secrets", "versions", "access", str(number), f"--secret={IMAGE_KEY}")
        versions[(value or "").partition(":")[0]] = number
    name, wanted = _THROUGH_IAM
    return _ImageKeys(
        keys=await _keys(deployment),
        versions=versions,
        next_version=max(numbers, default=0) + 1,
        signs_through_iam=(labels or {}).get(name) == wanted,
    )
