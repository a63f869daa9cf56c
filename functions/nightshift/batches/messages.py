"""Calls for workers: messages on the topic `nightshift-ingest`.

A message is a hint to come and help, never the truth: what there is to do stands in Firestore, and whoever comes by
does it. So a message may be lost, late or repeated.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

import structlog
from google.api_core.exceptions import GoogleAPIError
from google.api_core.retry import AsyncRetry, if_transient_error
from google.auth.exceptions import GoogleAuthError

from nightshift.errors import EventUnreadable
from nightshift.functions import INGEST_TOPIC
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document

log = structlog.get_logger()

# `timeout` bounds one call, `retry` all of them: the library's own repetition would go on for ten minutes.
_PUBLISH: Final[dict[str, Any]] = {
    "timeout": 5.0,
    "retry": AsyncRetry(predicate=if_transient_error, initial=0.1, maximum=1.0, timeout=5.0),
}


async def call_workers(runtime: Runtime, batch_id: str, shard_ids: Sequence[str] = ()) -> bool:
    """Call a worker for each shard; without shards, one to advance the batch.

    Returns:
        False if the messages could not be published; then the caller does the work itself.
    """
    from google.pubsub_v1 import PubsubMessage

    calls = [{"batchId": batch_id, "shardId": shard_id} for shard_id in shard_ids] or [{"batchId": batch_id}]
    try:
        await runtime.publisher.publish(
            topic=f"projects/{runtime.settings.project}/topics/{INGEST_TOPIC}",
            messages=[PubsubMessage(data=json.dumps(call).encode()) for call in calls],
            **_PUBLISH,
        )
    except (GoogleAPIError, GoogleAuthError) as error:
        log.warning("workers_not_called", error=type(error).__name__)
        return False
    return True


def read_call(event: Any) -> tuple[str, str | None]:
    """The batch, and the shard if it is one, for which a worker was called.

    Args:
        event: what Pub/Sub delivered, `{"message": {"data": BASE64, ...}, ...}`.

    Raises:
        EventUnreadable: it is anything else.
    """
    try:
        call = json.loads(base64.b64decode(event["message"]["data"]))
        batch_id, shard_id = call["batchId"], call.get("shardId")
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError):
        raise EventUnreadable("the event's message is no call for a worker") from None
    ids = [batch_id] if shard_id is None else [batch_id, shard_id]
    if not all(isinstance(named, str) and names_a_document(named) for named in ids):
        raise EventUnreadable("the event names no batch, or no shard")
    return batch_id, shard_id
