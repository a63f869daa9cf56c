"""Roles of our own, where each of Google's would allow more than an account needs.

`roles/datastore.viewer` also lists databases, indexes and statistics; `roles/firebaseauth.viewer` also reads the
configuration of sign-in. A count needs the two permissions of `runAggregationQuery`
(https://cloud.google.com/firestore/docs/security/iam), a look at one user `firebaseauth.users.get`, which is
`GetAccountInfo` (https://cloud.google.com/identity-platform/docs/access-control). IAM has no role on one collection,
and none that counts without reading.

A deleted role keeps its name for weeks, and for a week it can be had back. So `make destroy` leaves it: without a
grant it allows nothing. https://cloud.google.com/iam/docs/creating-custom-roles#deleting-custom-role
"""

from collections.abc import AsyncIterator
from typing import Final

from deploy.change import Change, same
from deploy.deployment import Deployment

# Its id in IAM.
STATS_ROLE: Final = "nightshiftStats"
_TITLE: Final = "Nightshift: counts jobs, and looks at one user"
_PERMISSIONS: Final = ("datastore.entities.get", "datastore.entities.list", "firebaseauth.users.get")


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the role, have it back, or bring its permissions to what is declared."""
    cloud = deployment.cloud
    listed = await cloud.look("iam", "roles", "list", "--show-deleted") or []
    live = next((role for role in listed if role["name"].endswith(f"/{STATS_ROLE}")), None)
    declared = (f"--title={_TITLE}", f"--permissions={','.join(_PERMISSIONS)}", "--stage=GA")
    if live is None:
        create = cloud.gcloud("iam", "roles", "create", STATS_ROLE, *declared)
        yield Change(action="create", what=f"role {STATS_ROLE}", commands=(create,))
        return
    undelete = (cloud.gcloud("iam", "roles", "undelete", STATS_ROLE),) if live.get("deleted") else ()
    found = await cloud.look("iam", "roles", "describe", STATS_ROLE) or {}
    if not undelete and sorted(found.get("includedPermissions", [])) == sorted(_PERMISSIONS):
        yield same(f"role {STATS_ROLE}")
        return
    update = cloud.gcloud("iam", "roles", "update", STATS_ROLE, *declared)
    yield Change(action="change", what=f"role {STATS_ROLE}", commands=(*undelete, update))
