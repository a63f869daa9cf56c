"""Pub/Sub's side: the topics that are declared, and a pull subscription for each that is to keep its messages.

Nothing here is ever removed, since it may hold messages. A topic is ours by its name alone, so a create that was
repeated or came second has done its work.
"""

from contextlib import suppress
from functools import partial
from typing import Final

from google.api_core.exceptions import AlreadyExists, NotFound
from google.pubsub_v1 import ExpirationPolicy, Subscription

from scheduler.cloud import SchedulerClients
from scheduler.declared import TOPIC_PREFIX, Declared
from scheduler.errors import SchedulerError
from scheduler.step import Action, PlannedStep

TOPIC: Final = "topic"
SUBSCRIPTION: Final = "subscription"


async def plan(cloud: SchedulerClients, declared: Declared) -> list[PlannedStep]:
    """What is to be done about topics and subscriptions. Raises SchedulerError: a subscription reads another topic."""
    there = await _present(cloud)
    steps = [_topic_step(cloud, topic.name, there) for topic in declared.topics]
    undeclared = sorted(there - {topic.name for topic in declared.topics})
    why = "not declared; topics are never removed, since they may hold messages"
    steps += [PlannedStep(action=Action.LEFT, kind=TOPIC, name=name, note=why) for name in undeclared]
    return steps + [await _subscription_step(cloud, topic.name) for topic in declared.topics if topic.kept]


async def _present(cloud: SchedulerClients) -> set[str]:
    """The names of the project's topics that begin as ours do."""
    listed = await cloud.publisher.list_topics(project=f"projects/{cloud.project}", **cloud.call)
    names = [topic.name.rpartition("/")[2] async for topic in listed]
    return {name for name in names if name.startswith(TOPIC_PREFIX)}


def _topic_step(cloud: SchedulerClients, name: str, there: set[str]) -> PlannedStep:
    if name in there:
        return PlannedStep(action=Action.SAME, kind=TOPIC, name=name)
    return PlannedStep(action=Action.CREATE, kind=TOPIC, name=name, act=partial(_create_topic, cloud, name))


async def _create_topic(cloud: SchedulerClients, name: str) -> None:
    with suppress(AlreadyExists):
        await cloud.publisher.create_topic(name=cloud.topic(name), **cloud.call)


async def _subscription_step(cloud: SchedulerClients, name: str) -> PlannedStep:
    there = await _read(cloud, name)
    act = partial(_create_subscription, cloud, name)
    if there is None:
        return PlannedStep(
            action=Action.CREATE, kind=SUBSCRIPTION, name=name, note=f"pulls {name}, never expires", act=act
        )
    _assert_reads_its_topic(cloud, there, name)
    if there.expiration_policy.ttl:
        # Not changed here: the emulator does not know how, so nothing would have tried it.
        mend = f"gcloud pubsub subscriptions update {name} --expiration-period never --project {cloud.project}"
        note = f"deleted when it is unused for {there.expiration_policy.ttl.days} days: run `{mend}`"
        return PlannedStep(action=Action.LEFT, kind=SUBSCRIPTION, name=name, note=note)
    return PlannedStep(action=Action.SAME, kind=SUBSCRIPTION, name=name)


async def _create_subscription(cloud: SchedulerClients, name: str) -> None:
    # Without a policy that says never, Pub/Sub deletes a subscription, and its messages, after 31 days without use.
    wanted = Subscription(name=cloud.subscription(name), topic=cloud.topic(name), expiration_policy=ExpirationPolicy())
    try:
        await cloud.subscriber.create_subscription(wanted, **cloud.call)
    except AlreadyExists:
        there = await _read(cloud, name)
        if there is None:
            raise
        _assert_reads_its_topic(cloud, there, name)


async def _read(cloud: SchedulerClients, name: str) -> Subscription | None:
    try:
        return await cloud.subscriber.get_subscription(subscription=cloud.subscription(name), **cloud.call)
    except NotFound:
        return None


def _assert_reads_its_topic(cloud: SchedulerClients, there: Subscription, name: str) -> None:
    if there.topic != cloud.topic(name):
        raise SchedulerError(
            f"The subscription {there.name} reads {there.topic}, not {cloud.topic(name)}, and that cannot be changed: "
            f"pull what it still holds, run `gcloud pubsub subscriptions delete {name} --project {cloud.project}`, "
            "and sync again."
        )
