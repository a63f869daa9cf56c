"""Where an event goes that its function could not deal with in any delivery; and how long Pub/Sub waits between two.

Pub/Sub is the transport of every Eventarc trigger, those of Firestore's events included. Eventarc makes a subscription
together with the function, and leaves these of its settings alone: https://cloud.google.com/eventarc/docs/retry-events.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from deploy.accounts import agent
from deploy.change import Change, same
from deploy.deployment import Deployment
from deploy.policies import Resource, RoleGrant, differences
from nightshift.functions import DEAD_LETTERS, FUNCTIONS, Function

LEAST_SECONDS: Final = 10
MOST_SECONDS: Final = 600


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Let Pub/Sub put dead letters away: it needs the right to publish them, and to take them off a subscription."""
    cloud = deployment.cloud
    pubsub = agent(cloud, "pubsub")
    publishes = RoleGrant(role="roles/pubsub.publisher", member=pubsub)
    async for change in differences(cloud, Resource(kind=("pubsub", "topics"), name=DEAD_LETTERS), [publishes]):
        yield change
    takes = RoleGrant(role="roles/pubsub.subscriber", member=pubsub)
    for function in FUNCTIONS:
        if not function.has_dead_letters:
            continue
        subscription = await _subscription(deployment, function)
        name = subscription["name"].rpartition("/")[2] if subscription else f"SUBSCRIPTION_OF_{function.name}"
        resource = Resource(kind=("pubsub", "subscriptions"), name=name, exists=subscription is not None)
        async for change in differences(cloud, resource, [takes]):
            yield change
        if subscription and _is_as_declared(function, subscription):
            yield same(name)
            continue
        update = ("pubsub", "subscriptions", "update", name, f"--dead-letter-topic={DEAD_LETTERS}")
        delays = (f"--min-retry-delay={LEAST_SECONDS}s", f"--max-retry-delay={MOST_SECONDS}s")
        command = cloud.gcloud(*update, f"--max-delivery-attempts={function.most_deliveries}", *delays)
        yield Change(action="change", what=name, commands=(command,))


async def _subscription(deployment: Deployment, function: Function) -> dict[str, Any] | None:
    cloud = deployment.cloud
    live: dict[str, Any] = (await deployment.live_functions()).get(function.name, {})
    trigger = live.get("eventTrigger", {}).get("trigger")
    if not trigger:
        return None
    # projects/PROJECT/locations/LOCATION/triggers/NAME: that of Firestore's events is where the database is.
    *_, location, _, name = trigger.split("/")
    found = await cloud.look("eventarc", "triggers", "describe", name, f"--location={location}")
    if not found:
        return None
    subscription = found["transport"]["pubsub"]["subscription"].rpartition("/")[2]
    described: dict[str, Any] | None = await cloud.look("pubsub", "subscriptions", "describe", subscription)
    return described


def _is_as_declared(function: Function, subscription: dict[str, Any]) -> bool:
    letters, retry = subscription.get("deadLetterPolicy", {}), subscription.get("retryPolicy", {})
    return (
        str(letters.get("deadLetterTopic")).endswith(f"/topics/{DEAD_LETTERS}")
        and letters.get("maxDeliveryAttempts") == function.most_deliveries
        and retry == {"minimumBackoff": f"{LEAST_SECONDS}s", "maximumBackoff": f"{MOST_SECONDS}s"}
    )
