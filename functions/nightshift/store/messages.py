"""Messages to the workers that ingest batches, over Pub/Sub."""

import json
import os
from collections.abc import Sequence
from typing import Final

import grpc  # type: ignore[import-untyped]  # it ships no types
import structlog
from google.api_core.exceptions import GoogleAPICallError
from google.pubsub_v1 import PublisherAsyncClient, PubsubMessage
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport

from nightshift.runtime import Runtime

log = structlog.get_logger()

_TOPIC: Final = "nightshift-ingest"
_PUBLISH_SECONDS: Final = 5.0


async def call_worker(runtime: Runtime, batch_id: str, shards: Sequence[int] = ()) -> bool:
    """Publish a message for each shard, or one that asks to advance the batch; False if they could not be published."""
    publisher = _publisher()
    bodies = [{"batchId": batch_id, "shard": shard} for shard in shards] or [{"batchId": batch_id}]
    try:
        await publisher.publish(
            topic=f"projects/{runtime.settings.project}/topics/{_TOPIC}",
            messages=[PubsubMessage(data=json.dumps(body).encode()) for body in bodies],
            retry=None,
            timeout=_PUBLISH_SECONDS,
        )
    except GoogleAPICallError as error:
        log.warning("worker_not_called", batch_id=batch_id, error=type(error).__name__)
        return False
    finally:
        await publisher.transport.close()  # type: ignore[no-untyped-call]  # it is not typed
    return True


def _publisher() -> PublisherAsyncClient:
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        return PublisherAsyncClient()
    channel = grpc.aio.insecure_channel(emulator)
    return PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))
