"""The provider's events that were dealt with, by their ids, so that none is dealt with again.

An event is recorded after it was dealt with, not before: a crash in between must not swallow its redelivery, and
dealing with it twice does no harm. Firestore's TTL policy on `expireAt` (firestore.indexes.json) deletes the record
once the provider has given up sending the event again.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Final

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import WEBHOOKS
from nightshift.database.commits import READ, Commit, Undecided
from nightshift.runtime import Runtime

# OpenAI sends an event again for up to 72 hours.
_KEPT: Final = timedelta(days=3)


async def was_dealt_with(runtime: Runtime, event_id: str) -> bool:
    """Whether the event is on record."""
    snapshot = await runtime.firestore.collection(WEBHOOKS).document(event_id).get(**READ)
    return bool(snapshot.exists)


async def record(runtime: Runtime, event_id: str) -> None:
    """Record an event that was dealt with. Where that fails, the worst that comes of it is a second look."""
    commit = Commit(runtime)
    ref = runtime.firestore.collection(WEBHOOKS).document(event_id)
    commit.create(ref, {"receivedAt": SERVER_TIMESTAMP, "expireAt": runtime.now() + _KEPT})
    with suppress(Undecided):
        await commit.send()
