"""What would stop a deployment half-way, looked at before its first change; each finding names its remedy.

What cannot be looked at (a right or an API is missing) is no finding: the deployment itself will tell.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from deploy.change import Change, same
from deploy.deployment import Deployment
from deploy.troubles import INSTANCES

_COMPONENTS: Final = ("alpha", "beta")
_CPU_QUOTA: Final = "CpuAllocPerProjectRegion"
_MILLI_CPU: Final = 1000


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Look at all of it."""
    for look in (_identity, _components, _billing, _region, _sharing, _accounts, _keys, _instances):
        async for finding in look(deployment):
            yield finding


async def _identity(deployment: Deployment) -> AsyncIterator[Change]:
    active = await _hear(deployment, "auth", "list", "--filter=status:ACTIVE")
    if active:
        others = "the Firebase CLI and the schedules act by the application-default credentials"
        yield same(f"gcloud acts as {active[0]['account']}; {others}, charged to {deployment.cloud.project}")


async def _components(deployment: Deployment) -> AsyncIterator[Change]:
    installed = await _hear(deployment, "version")
    missing = [name for name in _COMPONENTS if installed and name not in installed]
    if missing:
        yield _missing(f"gcloud's components {', '.join(missing)}: run gcloud components install {' '.join(missing)}")


async def _billing(deployment: Deployment) -> AsyncIterator[Change]:
    project = deployment.cloud.project
    # This command takes the project as its argument.
    found = await _hear(deployment, "billing", "projects", "describe", project)
    if found is not None and not found.get("billingEnabled"):
        link = f"gcloud billing projects link {project} --billing-account=ACCOUNT"
        yield _missing(f"billing: link an account, by {link}")
    elif found:
        yield same("billing")


async def _region(deployment: Deployment) -> AsyncIterator[Change]:
    region = deployment.cloud.region
    policy = await _policy(deployment, "gcp.resourceLocations")
    allowed = policy.get("listPolicy", {}).get("allowedValues", [])
    denied = policy.get("listPolicy", {}).get("deniedValues", [])
    # Groups as in:asia-locations are Google's to resolve.
    names = {value.removeprefix("in:").removesuffix("-locations") for value in allowed}
    if (allowed and not any(region.startswith(name) for name in names)) or region in denied:
        yield _missing(f"the policy gcp.resourceLocations keeps resources out of {region}: choose REGION")


async def _sharing(deployment: Deployment) -> AsyncIterator[Change]:
    policy = await _policy(deployment, "iam.allowedPolicyMemberDomains")
    values = policy.get("listPolicy", {})
    if values.get("allowedValues") and values.get("allValues") != "ALLOW":
        public = [row.name for row in await deployment.functions() if not row.takes_events]
        yield Change(
            action="note",
            what=f"the organisation grants nothing to all: in Cloud Run {', '.join(public)} will check no callers",
        )


async def _accounts(deployment: Deployment) -> AsyncIterator[Change]:
    policy = await _policy(deployment, "iam.disableServiceAccountCreation")
    if policy.get("booleanPolicy", {}).get("enforced"):
        yield _missing(
            "the organisation's policy iam.disableServiceAccountCreation forbids service accounts: have it allow them "
            f"for {deployment.cloud.project}"
        )


async def _keys(deployment: Deployment) -> AsyncIterator[Change]:
    policy = await _policy(deployment, "iam.disableServiceAccountKeyCreation")
    if policy.get("booleanPolicy", {}).get("enforced"):
        what = "the organisation forbids HMAC keys: IAM will sign images' addresses, which last for 12 hours then"
        yield Change(action="note", what=what)


async def _instances(deployment: Deployment) -> AsyncIterator[Change]:
    cloud = deployment.cloud
    words = ("beta", "quotas", "info", "describe", _CPU_QUOTA, "--service=run.googleapis.com")
    found = await _hear(deployment, *words, f"--project={cloud.project}")
    values = [
        int(part["details"]["value"])
        for part in (found or {}).get("dimensionsInfos", [])
        if cloud.region in part.get("applicableLocations", []) and part.get("details", {}).get("value")
    ]
    if not values:
        return
    allowed = min(values) // _MILLI_CPU
    too_many = [row.name for row in await deployment.functions() if row.max_instances > allowed >= 0]
    if too_many:
        remedy = INSTANCES.remedy.format(project=cloud.project)
        yield _missing(f"more than {allowed} vCPU in {cloud.region} for {', '.join(too_many)}. {remedy}")
    else:
        yield same(f"{allowed} vCPU in {cloud.region}")


async def _policy(deployment: Deployment, constraint: str) -> dict[str, Any]:
    describe = ("resource-manager", "org-policies", "describe", constraint, "--effective")
    found: dict[str, Any] | None = await _hear(deployment, *describe, f"--project={deployment.cloud.project}")
    return found or {}


async def _hear(deployment: Deployment, *words: str) -> Any:
    said = await deployment.cloud.hear(deployment.cloud.plain_gcloud(*words, "--format=json"))
    return json.loads(said or "null")


def _missing(what: str) -> Change:
    return Change(action="missing", what=what)
