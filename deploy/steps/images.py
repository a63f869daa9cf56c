"""The images of the functions' former builds: Artifact Registry deletes them, and keeps the newest for a rollback.

Cloud Functions stores each build in the repository `gcf-artifacts`, which it makes with the first function. It is paid
by the gigabyte. https://cloud.google.com/artifact-registry/docs/repositories/cleanup-policy
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from deploy.change import Change, same
from deploy.deployment import Deployment

_REPOSITORY: Final = "gcf-artifacts"
_POLICIES: Final = "deploy/images.json"


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Bring the repository's cleanup policies to what the file declares."""
    cloud = deployment.cloud
    what = f"{_REPOSITORY}: old images are deleted"
    words = ("artifacts", "repositories")
    where = (_REPOSITORY, f"--location={cloud.region}")
    live = await cloud.look(*words, "describe", *where)
    declared = json.loads((deployment.root / _POLICIES).read_text())
    if live and _is_as_declared(live, declared):
        yield same(what)
        return
    set_policies = cloud.gcloud(*words, "set-cleanup-policies", *where, f"--policy={_POLICIES}", "--no-dry-run")
    yield Change(action="change" if live else "create", what=what, commands=(set_policies,))


def _is_as_declared(live: dict[str, Any], declared: list[dict[str, Any]]) -> bool:
    """Whether the policies are these and no others, and delete."""
    there = {name: _essence(policy) for name, policy in live.get("cleanupPolicies", {}).items()}
    return not live.get("cleanupPolicyDryRun") and there == {policy["name"]: _essence(policy) for policy in declared}


def _essence(policy: dict[str, Any]) -> tuple[str, int | None, float | None]:
    """What a policy does, in gcloud's form or in the API's: both write seconds as `2592000s` or `2592000.0s`."""
    action, older_than = policy["action"], policy.get("condition", {}).get("olderThan")
    return (
        str(action["type"] if isinstance(action, dict) else action).upper(),
        policy.get("mostRecentVersions", {}).get("keepCount"),
        float(older_than.removesuffix("s")) if older_than else None,
    )
