"""Who may call which function: Eventarc those that take events; any client the others, which check their callers.

An organisation may forbid grants to all users. Then the service's own check of callers is switched off, which lets the
same clients in: https://cloud.google.com/run/docs/authenticating/public#invoker_check
"""

from collections.abc import AsyncIterator
from typing import Final

from deploy.accounts import EVENTS, member
from deploy.change import Change, Instead, same
from deploy.deployment import Deployment
from deploy.policies import Resource, RoleGrant, differences
from deploy.troubles import SHARING
from nightshift.functions import Function

_INVOKER: Final = "roles/run.invoker"


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Grant what is missing, and shut out all other callers."""
    cloud = deployment.cloud
    services = await deployment.live_services()
    for function in await deployment.functions():
        live = services.get(function.service)
        is_open = live is not None and live.is_open
        service = Resource(
            kind=("run", "services"),
            name=function.service,
            flags=(f"--region={cloud.region}",),
            exists=live is not None,
        )
        if is_open and not function.takes_events:
            yield same(f"{function.service} checks no callers")
            continue
        if is_open:
            command = cloud.gcloud("run", "services", "update", function.service, *service.flags, "--invoker-iam-check")
            yield Change(action="change", what=f"{function.service} checks its callers again", commands=(command,))
        async for change in differences(cloud, service, [_grant(deployment, function)]):
            yield change


def _grant(deployment: Deployment, function: Function) -> RoleGrant:
    cloud = deployment.cloud
    if function.takes_events:
        return RoleGrant(role=_INVOKER, member=member(cloud, EVENTS))
    update = ("run", "services", "update", function.service, f"--region={cloud.region}", "--no-invoker-iam-check")
    return RoleGrant(
        role=_INVOKER,
        member="allUsers",
        instead=Instead(refused_by=SHARING, commands=(cloud.gcloud(*update),)),
    )
