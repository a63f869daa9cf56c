"""A user's bulk jobs, erased: each is cancelled first, and goes with its parts, objects and batches' files once it has
ended."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from google.cloud.firestore import FieldFilter

from nightshift import storage
from nightshift.batches import artifacts
from nightshift.bulk import documents, objects, wishes
from nightshift.bulk.advance import advance_bulk
from nightshift.database.collections import BATCHES, BULK_JOBS, NOTIFICATIONS, PARTS
from nightshift.database.commits import READ, Commit
from nightshift.database.pages import pages
from nightshift.errors import TryLater
from nightshift.jobs.ends import id_beside
from nightshift.runtime import Runtime

_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class BulkErased:
    """What became of one bulk job: what was deleted, by kind; or why it is still there."""

    deleted: dict[str, int]
    why: str | None = None


async def erase_bulk_jobs(runtime: Runtime, uid: str) -> AsyncIterator[BulkErased]:
    """Erase the user's bulk jobs, one after the other. Raises TryLater."""
    query = runtime.firestore.collection(BULK_JOBS).where(filter=FieldFilter("userId", "==", uid))
    async for page in pages(query.select(["userId"])):
        for snapshot in page:
            yield await _erase(runtime, uid, snapshot.id)


async def _erase(runtime: Runtime, uid: str, bulk_id: str) -> BulkErased:
    # One that has ended, or is about to, is not cancelled any more.
    with suppress(wishes.WishRefused):
        await wishes.cancel(runtime, bulk_id)
    try:
        await advance_bulk(runtime, bulk_id, runtime.time_limit(_SECONDS))
    except TryLater as trouble:
        return BulkErased(deleted={}, why=f"it cannot be cancelled now: {trouble}")
    bulk = await documents.read(runtime, bulk_id)
    if bulk and bulk.is_open:
        return BulkErased(deleted={}, why="a batch with its items is being stopped")
    files = await _delete_batch_files(runtime, uid, bulk_id)
    stored = await storage.delete_below(runtime, objects.prefix(bulk_id))
    number = await _delete_documents(runtime, uid, bulk_id)
    return BulkErased(deleted={"batch files": files, "bulk files": stored, "parts": number, BULK_JOBS: 1})


async def _delete_batch_files(runtime: Runtime, uid: str, bulk_id: str) -> int:
    query = runtime.firestore.collection(BATCHES).where(filter=FieldFilter("source.bulkId", "==", bulk_id))
    deleted = 0
    async for page in pages(query.select(["userId"])):
        for snapshot in page:
            if snapshot.get("userId") == uid:
                deleted += len(await artifacts.delete_all(runtime, snapshot.id))
    return deleted


async def _delete_documents(runtime: Runtime, uid: str, bulk_id: str) -> int:
    ref = documents.bulk_ref(runtime, bulk_id)
    number = 0
    async for page in pages(ref.collection(PARTS).select([])):
        commit = Commit(runtime)
        for snapshot in page:
            commit.delete(snapshot.reference)
        await commit.send()
        number += len(page)
    place = f"bulk.{bulk_id}"
    notifications = runtime.firestore.collection(NOTIFICATIONS)
    commit = Commit(runtime)
    for name in (place, id_beside(place, uid)):
        note = await notifications.document(name).get(["userId"], **READ)
        if note.exists and note.get("userId") == uid:
            commit.delete(note.reference)
    commit.delete(ref)
    await commit.send()
    return number
