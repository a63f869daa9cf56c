"""Calls for workers of bulk jobs: messages on the topic `nightshift-bulk`.

A message is a hint to come and help, never the truth. What there is to do stands in Firestore; a worker or the tick
finds it there and does it. So a message may be lost, late or repeated.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from nightshift.errors import EventUnreadable
from nightshift.functions import BULK_TOPIC
from nightshift.publishing import publish
from nightshift.runtime import Runtime
from nightshift.values.ids import is_job_id

# As many as Pub/Sub takes in a request: https://cloud.google.com/pubsub/quotas
_MOST_AT_ONCE: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class BulkCall:
    """A worker is called to move a bulk job on; with a part, to answer that part in real time."""

    bulk_id: str
    part: int | None = None


async def call_workers(runtime: Runtime, bulk_ids: Sequence[str]) -> bool:
    """Call a worker to move each of these bulk jobs on. Returns False if a message could not be published."""
    calls = [{"bulkId": bulk_id} for bulk_id in bulk_ids]
    pages = [calls[first : first + _MOST_AT_ONCE] for first in range(0, len(calls), _MOST_AT_ONCE)]
    return all([await publish(runtime, BULK_TOPIC, page) for page in pages])


async def call_for_parts(runtime: Runtime, bulk_id: str, parts: list[int]) -> bool:
    """Call a worker for each part. Returns False if the messages could not be published."""
    return await publish(runtime, BULK_TOPIC, [{"bulkId": bulk_id, "part": part} for part in parts])


def read_bulk_call(event: Any) -> BulkCall:
    """What a worker was called for.

    Args:
        event: what Pub/Sub delivered, `{"message": {"data": BASE64, ...}, ...}`.

    Raises:
        EventUnreadable: it is anything else.
    """
    try:
        call = json.loads(base64.b64decode(event["message"]["data"]))
        bulk_id, part = call["bulkId"], call.get("part")
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError):
        raise EventUnreadable("the event's message is no call for a worker") from None
    is_part = part is None or (isinstance(part, int) and not isinstance(part, bool) and 0 < part < 2**31)
    if not isinstance(bulk_id, str) or not is_job_id(bulk_id) or not is_part:
        raise EventUnreadable("the event names no bulk job, or no part")
    return BulkCall(bulk_id=bulk_id, part=part)
