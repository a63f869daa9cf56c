"""The Firestore database, which cannot be moved or deleted by mistake, and its daily backups.

Point-in-time recovery keeps every version of a document for a week, by the minute; a backup survives the database. Both
are billed as storage.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from deploy.change import Change, same
from deploy.deployment import Deployment
from deploy.errors import DeployError

_DATABASE: Final = "--database=(default)"
_KEPT: Final = "7d"


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the database in the region, or protect the one that there is, wherever it is.

    Raises:
        DeployError: it is one of the Datastore kind, which has no triggers of ours and no listeners.
    """
    cloud = deployment.cloud
    found = await find(deployment)
    protection = ("--delete-protection", "--enable-pitr")
    if found is None:
        create = (
            "firestore",
            "databases",
            "create",
            _DATABASE,
            f"--location={cloud.region}",
            "--type=firestore-native",
        )
        yield Change(
            action="create", what=f"(default) in {cloud.region}", commands=(cloud.gcloud(*create, *protection),)
        )
        return
    if found["type"] != "FIRESTORE_NATIVE":
        raise DeployError(f"The database (default) of {cloud.project} is of the type {found['type']}, not native.")
    what = f"(default) in {found['locationId']}"
    is_protected = found.get("deleteProtectionState") == "DELETE_PROTECTION_ENABLED"
    if is_protected and found.get("pointInTimeRecoveryEnablement") == "POINT_IN_TIME_RECOVERY_ENABLED":
        yield same(what)
    else:
        command = cloud.gcloud("firestore", "databases", "update", _DATABASE, *protection)
        yield Change(action="change", what=f"{what}: delete protection, point-in-time recovery", commands=(command,))


async def backups(deployment: Deployment) -> AsyncIterator[Change]:
    """Have the database backed up every day; a schedule that is not ours is left as it is."""
    cloud = deployment.cloud
    schedules = ("firestore", "backups", "schedules")
    found = await cloud.look(*schedules, "list", _DATABASE) or []
    if any("dailyRecurrence" in schedule for schedule in found):
        yield same("daily")
    else:
        command = cloud.gcloud(*schedules, "create", _DATABASE, "--recurrence=daily", f"--retention={_KEPT}")
        yield Change(action="create", what=f"daily, kept {_KEPT}", commands=(command,))


async def find(deployment: Deployment) -> dict[str, Any] | None:
    """The database as Firestore describes it."""
    databases = await deployment.cloud.look("firestore", "databases", "list") or []
    return next((one for one in databases if one["name"].endswith("/databases/(default)")), None)


async def location(deployment: Deployment) -> str:
    """Where its events come from: a trigger must stand there, in `nam5` or `eur3` for a database of several regions.

    The function that it calls may be elsewhere.
    """
    found = await find(deployment)
    return str(found["locationId"]) if found else deployment.cloud.region
