"""Calls for workers: messages on the topic `nightshift-ingest`.

A message is a hint to come and help, never the truth. What there is to do stands in Firestore; a worker or the tick
finds it there and does it. So a message may be lost, late or repeated.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from nightshift.errors import EventUnreadable
from nightshift.functions import INGEST_TOPIC
from nightshift.publishing import publish
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document

# As many as Pub/Sub takes in a request; a later tick finds the others: https://cloud.google.com/pubsub/quotas
_MOST_AT_ONCE: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class BatchCall:
    """A worker is called to settle a shard of a batch; without a shard, to advance the batch."""

    batch_id: str
    shard_id: str | None


@dataclass(frozen=True, kw_only=True)
class EndedCall:
    """A worker is called to look at a batch, since its provider says that it has ended."""

    provider: str
    # The provider's id of the batch.
    remote_id: str
    # The same whenever the provider sends the event again.
    event_id: str


@dataclass(frozen=True, kw_only=True)
class OrderCall:
    """A worker is called to carry out an order (orders/)."""

    order_id: str


async def call_to_advance(runtime: Runtime, batch_id: str) -> bool:
    """Call a worker to advance a batch. Returns False if the message could not be published; then the tick does."""
    return await publish(runtime, INGEST_TOPIC, [{"batchId": batch_id}])


async def call_to_advance_each(runtime: Runtime, batch_ids: Sequence[str]) -> bool:
    """Call a worker for each batch that a tick's time was too short for. Returns as above."""
    return await publish(runtime, INGEST_TOPIC, [{"batchId": batch_id} for batch_id in batch_ids[:_MOST_AT_ONCE]])


async def call_for_order(runtime: Runtime, order_id: str) -> bool:
    """Call a worker to carry out an order. Returns False if the message could not be published; then the tick does."""
    return await publish(runtime, INGEST_TOPIC, [{"orderId": order_id}])


async def call_workers(runtime: Runtime, batch_id: str, shard_ids: Sequence[str]) -> bool:
    """Call a worker for each shard.

    Returns:
        False if the messages could not be published; then the caller does the work itself.
    """
    return await publish(runtime, INGEST_TOPIC, [{"batchId": batch_id, "shardId": shard_id} for shard_id in shard_ids])


async def call_for_ended(runtime: Runtime, call: EndedCall) -> bool:
    """Call a worker for a batch that is said to have ended. Returns False if the message could not be published."""
    message = {"provider": call.provider, "remoteId": call.remote_id, "eventId": call.event_id}
    return await publish(runtime, INGEST_TOPIC, [message])


def read_call(event: Any) -> BatchCall | EndedCall | OrderCall:
    """What a worker was called for. Each id in it can name a document, and a part of an address.

    Args:
        event: what Pub/Sub delivered, `{"message": {"data": BASE64, ...}, ...}`.

    Raises:
        EventUnreadable: it is anything else.
    """
    try:
        call = json.loads(base64.b64decode(event["message"]["data"]))
        if "remoteId" in call:
            return EndedCall(
                provider=_id(call["provider"]), remote_id=_id(call["remoteId"]), event_id=_id(call["eventId"])
            )
        if "orderId" in call:
            return OrderCall(order_id=_id(call["orderId"]))
        shard_id = call.get("shardId")
        return BatchCall(batch_id=_id(call["batchId"]), shard_id=None if shard_id is None else _id(shard_id))
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError):
        raise EventUnreadable("the event's message is no call for a worker") from None


def _id(given: Any) -> str:
    if not isinstance(given, str) or not names_a_document(given):
        raise EventUnreadable("the event names no batch, or no shard")
    return given
