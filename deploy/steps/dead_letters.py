"""Where a call goes that no worker could answer in twenty deliveries; and how long Pub/Sub waits between two.

The subscription belongs to Eventarc, which made it together with the function and leaves these of its settings alone.
A call that meets no free instance is answered 429, which Pub/Sub counts as a delivery. A large batch has more shards
than there are instances, so most of its calls wait like that. Twenty deliveries take two and a half hours: longer than
all shards of a batch, and far longer than a dead worker's lease.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from deploy.accounts import agent
from deploy.change import Change, same
from deploy.deployment import Deployment
from deploy.policies import Grant, Resource, differences
from nightshift.functions import DEAD_LETTERS, FUNCTIONS

(_FUNCTION,) = (function.name for function in FUNCTIONS if function.has_dead_letters)
DELIVERIES: Final = 20
_LEAST_SECONDS: Final = 10
_MOST_SECONDS: Final = 600


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Let Pub/Sub put dead letters away: it needs the right to publish there, and to take them off the subscription."""
    cloud = deployment.cloud
    pubsub = agent(cloud, "pubsub")
    subscription = await _subscription(deployment)
    name = subscription["name"].rpartition("/")[2] if subscription else f"SUBSCRIPTION_OF_{_FUNCTION}"
    for resource, role in (
        (Resource(kind=("pubsub", "topics"), name=DEAD_LETTERS), "roles/pubsub.publisher"),
        (
            Resource(kind=("pubsub", "subscriptions"), name=name, exists=subscription is not None),
            "roles/pubsub.subscriber",
        ),
    ):
        async for change in differences(cloud, resource, [Grant(role=role, member=pubsub)]):
            yield change
    if subscription and _is_as_declared(subscription):
        yield same(name)
        return
    update = ("pubsub", "subscriptions", "update", name, f"--dead-letter-topic={DEAD_LETTERS}")
    delays = (f"--min-retry-delay={_LEAST_SECONDS}s", f"--max-retry-delay={_MOST_SECONDS}s")
    command = cloud.gcloud(*update, f"--max-delivery-attempts={DELIVERIES}", *delays)
    yield Change(action="change", what=name, commands=(command,))


async def _subscription(deployment: Deployment) -> dict[str, Any] | None:
    cloud = deployment.cloud
    function: dict[str, Any] = (await deployment.live_functions()).get(_FUNCTION, {})
    trigger = function.get("eventTrigger", {}).get("trigger")
    if not trigger:
        return None
    found = await cloud.look(
        "eventarc", "triggers", "describe", trigger.rpartition("/")[2], f"--location={cloud.region}"
    )
    if not found:
        return None
    subscription = found["transport"]["pubsub"]["subscription"].rpartition("/")[2]
    described: dict[str, Any] | None = await cloud.look("pubsub", "subscriptions", "describe", subscription)
    return described


def _is_as_declared(subscription: dict[str, Any]) -> bool:
    letters, retry = subscription.get("deadLetterPolicy", {}), subscription.get("retryPolicy", {})
    return (
        str(letters.get("deadLetterTopic")).endswith(f"/topics/{DEAD_LETTERS}")
        and letters.get("maxDeliveryAttempts") == DELIVERIES
        and retry == {"minimumBackoff": f"{_LEAST_SECONDS}s", "maximumBackoff": f"{_MOST_SECONDS}s"}
    )
