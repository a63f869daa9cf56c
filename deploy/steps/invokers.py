"""Who may call which function: Eventarc those that take events, anybody the other two, which check their callers."""

from collections.abc import AsyncIterator
from typing import Final

from deploy.accounts import EVENTS, member
from deploy.change import Change
from deploy.deployment import Deployment
from deploy.policies import Grant, Resource, differences

_INVOKER: Final = "roles/run.invoker"


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Grant what is missing, and shut out who else may call."""
    cloud = deployment.cloud
    for function in await deployment.functions():
        caller = member(cloud, EVENTS) if function.takes_events else "allUsers"
        service = Resource(kind=("run", "services"), name=function.service, flags=(f"--region={cloud.region}",))
        async for change in differences(cloud, service, [Grant(role=_INVOKER, member=caller)]):
            yield change
