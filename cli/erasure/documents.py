"""Everything that Firestore holds of one user, deleted page by page.

A job goes in one commit with its classification and notification, so a reader never sees half of one. Deleting needs
no precondition: deleting a document twice is harmless, and only jobs that have ended are deleted here.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from google.cloud.firestore import FieldFilter

from nightshift.batches import lanes
from nightshift.database.collections import (
    CLASSIFICATIONS,
    DEVICE_TOKENS,
    DEVICES,
    DIGESTS,
    ECONOMY,
    JOBS,
    LANES,
    LEDGER,
    NOTIFICATIONS,
    POINTS,
    PREFERENCES,
    WALLETS,
)
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.pages import pages
from nightshift.jobs.created import JobDocument, written
from nightshift.jobs.documents import FORMER_BATCH_IDS, jobs_where
from nightshift.runtime import Runtime
from nightshift.values.status import Status

# What erasing a job needs to know of it: neither what its user wrote nor what the answer was.
_FIELDS: Final = (
    *("userId", "type", "status", "lane", "batchId", "attempts", "nextAttemptAt"),
    *(FORMER_BATCH_IDS, "costUsd", "uncountedUsd", "countedBatchId", "shareDay", "shareUsd"),
)


async def jobs(runtime: Runtime, uid: str, status: Status | None = None) -> AsyncIterator[list[JobDocument]]:
    """The user's jobs, all or those in one status, a page at a time, without their inputs and results."""
    query = jobs_where(runtime, userId=uid, **({"status": status} if status else {}))
    async for page in pages(query.select(_FIELDS)):
        yield [written(snapshot) for snapshot in page]


async def count_all(runtime: Runtime, uid: str) -> tuple[int, ...]:
    """How many jobs, classifications, notifications, wallets and ledger entries the user has, by the database."""
    client = runtime.firestore
    wallet = client.collection(WALLETS).document(uid)
    of_user = FieldFilter("userId", "==", uid)
    queries = [client.collection(name).where(filter=of_user) for name in (JOBS, CLASSIFICATIONS, NOTIFICATIONS)]
    *counts, found = await asyncio.gather(
        *(query.count().get(**READ) for query in (*queries, wallet.collection(LEDGER))), wallet.get(**READ)
    )
    jobs, classifications, notifications, entries = (int(count[0][0].value) for count in counts)
    return jobs, classifications, notifications, int(found.exists), entries


async def count_jobs(runtime: Runtime, uid: str) -> int:
    """How many jobs the user has, counted by the database."""
    return int((await jobs_where(runtime, userId=uid).count().get(**READ))[0][0].value)


async def delete_jobs(runtime: Runtime, uid: str, job_ids: Sequence[str]) -> dict[str, int]:
    """Delete jobs with their classifications and notifications. Returns how many there were of each collection."""
    client = runtime.firestore
    collections = (CLASSIFICATIONS, NOTIFICATIONS)
    refs = [client.collection(name).document(job_id) for name in collections for job_id in job_ids]
    found = [each async for each in client.get_all(refs, field_paths=["userId"], **READ) if each.exists]
    # The job of this id may have been deleted long ago, and another user may have written a new one under it.
    own = [snapshot.reference for snapshot in found if snapshot.get("userId") == uid]
    await _delete(runtime, [*own, *(client.collection(JOBS).document(job_id) for job_id in job_ids)])
    counts = {name: sum(ref.parent.id == name for ref in own) for name in collections}
    return {**counts, JOBS: len(job_ids)}


async def delete_orphans(runtime: Runtime, uid: str, collection: str) -> AsyncIterator[int]:
    """Delete the user's documents in a collection, by their `userId`; yields how many."""
    query = runtime.firestore.collection(collection).where(filter=FieldFilter("userId", "==", uid))
    async for page in pages(query.select(["userId"])):
        await _delete(runtime, [snapshot.reference for snapshot in page])
        yield len(page)


async def delete_wallet(runtime: Runtime, uid: str) -> AsyncIterator[tuple[int, bool]]:
    """Delete the ledger and then the wallet, the last page of the one together with the other.

    Yields:
        How many entries were deleted, and whether the wallet was.
    """
    wallet = runtime.firestore.collection(WALLETS).document(uid)
    exists = (await wallet.get(["updatedAt"], **READ)).exists
    before: list[Any] = []
    async for page in pages(wallet.collection(LEDGER).select(["kind"])):
        if before:
            await _delete(runtime, before)
            yield len(before), False
        before = [snapshot.reference for snapshot in page]
    if before or exists:
        await _delete(runtime, [*before, wallet])
        yield len(before), exists


# The documents that are named after a user, and what lies below each.
_OF_A_USER: Final = {ECONOMY: POINTS, DEVICES: DEVICE_TOKENS, PREFERENCES: None, DIGESTS: None}


async def delete_own(runtime: Runtime, uid: str) -> AsyncIterator[tuple[str, int]]:
    """Delete what is named after the user besides the wallet; yields the kind, and how many."""
    for collection, below in _OF_A_USER.items():
        ref = runtime.firestore.collection(collection).document(uid)
        if below:
            async for page in pages(ref.collection(below).select(["kind"])):
                await _delete(runtime, [snapshot.reference for snapshot in page])
                yield f"{collection}/{below}", len(page)
        if (await ref.get(["updatedAt"], **READ)).exists:
            await _delete(runtime, [ref])
            yield collection, 1


async def forget_in_lanes(runtime: Runtime, uid: str) -> None:
    """Take the user's id out of all lanes. There is one for each model that was ever used."""
    async for _ in attempts():
        commit, found = Commit(runtime), await runtime.firestore.collection(LANES).get(**READ)
        if not sum(lanes.forget_user(commit, lane, uid) for lane in found):
            return
        try:
            await commit.send()
        except Undecided:
            continue


async def _delete(runtime: Runtime, refs: Sequence[Any]) -> None:
    async for _ in attempts():
        commit = Commit(runtime)
        for ref in refs:
            commit.delete(ref)
        try:
            await commit.send()
        except Undecided:
            continue
        return
