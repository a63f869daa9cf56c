"""Bulk jobs: what was charged and not refunded is the price of what is completed and open; each has its documents.

A bulk job, its parts and its entries of the ledger are read as of one moment.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import FieldFilter

from cli.audit.finding import Finding
from cli.audit.scope import Scope
from cli.audit.second_look import found_twice_on
from nightshift.bulk.bulk_job import ENDED, STATUSES
from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.documents import WITHOUT_ITEMS
from nightshift.database.collections import BULK_JOBS, LEDGER, NOTIFICATIONS, PARTS, WALLETS
from nightshift.database.commits import READ
from nightshift.database.pages import pages, read_at
from nightshift.jobs.ends import id_beside
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from nightshift.database.pages import Snapshot

_PAGE = 20


async def findings(scope: Scope) -> AsyncIterator[Finding]:
    """Bulk jobs whose money, counts or documents do not agree, or that stand still."""
    every = scope.runtime.firestore.collection(BULK_JOBS).select(WITHOUT_ITEMS)
    async for page in pages(every, size=_PAGE):
        scope.looked_at["bulk jobs"] += len(page)
        for finding in await found_twice_on(scope, page, _of_page):
            yield finding


async def _of_page(scope: Scope, page: Sequence["Snapshot"]) -> list[Finding]:
    return [_finding(snapshot, sentence) for snapshot in page for sentence in await _faults(scope, snapshot)]


async def _faults(scope: Scope, snapshot: "Snapshot") -> list[str]:
    fields = snapshot.to_dict() or {}
    if fields.get("status") not in STATUSES:
        return ["Its status is unknown, so no tick moves it."]
    counts = await _counts(snapshot, tokens_of(fields.get("parts")))
    found = list(_of_counts(fields, counts))
    if tokens_of(fields.get("charges")):
        paid = await _paid(scope, snapshot, str(fields.get("userId")))
        worth = tokens_of(fields.get("price")) * (counts.completed + counts.open)
        if paid is not None and paid != worth:
            found.append(f"{paid} tokens were charged and not refunded, and its items are worth {worth}.")
    if fields["status"] in ENDED and not await _is_told(scope, snapshot, str(fields.get("userId"))):
        found.append("It has ended, and has no notification.")
    return found


def _of_counts(fields: Mapping[str, Any], counts: BulkCounts) -> Iterator[str]:
    if fields["status"] in ENDED and fields.get("parts"):
        if counts.open and tokens_of(fields.get("charges")):
            yield f"It has ended, and {counts.open} of its items are open."
        if BulkCounts.read(fields.get("counts")) != counts:
            yield "It counts other items than its parts do."


async def _counts(snapshot: "Snapshot", number: int) -> BulkCounts:
    counts = BulkCounts()
    parts = snapshot.reference.collection(PARTS).select(["part", "counts"])
    async for page in pages(parts, at=snapshot.read_time):
        for part in page:
            fields = part.to_dict() or {}
            if tokens_of(fields.get("part")) <= number:
                counts += BulkCounts.read(fields.get("counts"))
    return counts


async def _paid(scope: Scope, snapshot: "Snapshot", user_id: str) -> int | None:
    """What was charged and not refunded; None if there is no wallet any more."""
    wallet = scope.runtime.firestore.collection(WALLETS).document(user_id)
    if not await read_at(scope.runtime, [wallet], snapshot.read_time):
        return None
    of_bulk = wallet.collection(LEDGER).where(filter=FieldFilter("bulkId", "==", snapshot.id))
    entries = await of_bulk.get(read_time=snapshot.read_time, **READ)
    return -sum(tokens_of(entry.get("amount")) for entry in entries)


async def _is_told(scope: Scope, snapshot: "Snapshot", user_id: str) -> bool:
    if (kept := scope.runtime.settings.keep_notifications_days) and (
        scope.runtime.now() - snapshot.update_time
    ).days >= kept:
        return True
    notifications = scope.runtime.firestore.collection(NOTIFICATIONS)
    place = f"bulk.{snapshot.id}"
    refs = [notifications.document(place), notifications.document(id_beside(place, user_id))]
    found = await read_at(scope.runtime, refs, snapshot.read_time)
    return any((each.to_dict() or {}).get("userId") == user_id for each in found.values())


def _finding(snapshot: "Snapshot", sentence: str) -> Finding:
    return Finding(
        check="bulk",
        subject=f"{BULK_JOBS}/{snapshot.id}",
        sentence=sentence,
        undecided="a person decides what sets it right",
    )
