"""Batches: none stands still, the counts of a closed one agree with a recount, and each can be read.

A recount that finds fewer jobs than were counted is no finding: jobs may have been deleted since, or run again by hand.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cli.audit import repairs
from cli.audit.finding import Finding, LeftAlone
from cli.audit.scope import Scope
from cli.audit.second_look import found_twice_on
from nightshift.batches import documents as batches
from nightshift.batches.advance import advance
from nightshift.batches.batch import Batch
from nightshift.batches.listing import NOTHING_LISTED
from nightshift.database.collections import BATCHES
from nightshift.database.pages import pages
from nightshift.runtime import Runtime
from nightshift.values.usage import count_of

if TYPE_CHECKING:
    from nightshift.database.pages import Snapshot

_RECOUNTS_AT_ONCE: Final = 16


async def findings(scope: Scope) -> AsyncIterator[Finding]:
    """Batches that stand still, count wrongly or cannot be read."""
    async for page in pages(scope.runtime.firestore.collection(BATCHES)):
        scope.looked_at["batches"] += len(page)
        for finding in await found_twice_on(scope, page, _of_page):
            yield finding


async def _of_page(scope: Scope, page: Sequence["Snapshot"]) -> list[Finding]:
    at_once = asyncio.Semaphore(_RECOUNTS_AT_ONCE)

    async def judge(snapshot: "Snapshot") -> Finding | None:
        async with at_once:
            return await _finding(scope, snapshot)

    return [finding for finding in await asyncio.gather(*(judge(snapshot) for snapshot in page)) if finding]


async def _finding(scope: Scope, snapshot: "Snapshot") -> Finding | None:
    fields = snapshot.to_dict() or {}
    batch = batches.readable(snapshot.id, fields)
    if batch is None:
        return Finding(
            check="batches",
            subject=f"{BATCHES}/{snapshot.id}",
            sentence="The document cannot be read, so no tick advances it.",
            undecided="what its fields should be is not known; its jobs are sent again after five days",
        )
    if not batch.is_open:
        if batch.source:
            # Its counts are of one commit with its part.
            return None
        return await _miscounted(scope.runtime, batch, fields.get("counts"), snapshot)
    # The lease holder renews its lease, and every tick takes a free one: both move the update time.
    if batch.status != "submitted" and snapshot.update_time < scope.waited_since(scope.runtime.settings.lease_seconds):
        return _stuck(scope.runtime, batch, snapshot.update_time)
    error = batch.last_error
    if error and error.since < scope.waited_since(scope.runtime.settings.lease_seconds):
        why = "the operator acts" if error.needs_operator else "it passes, or its log says more"
        return Finding(
            check="batches",
            subject=f"{BATCHES}/{batch.batch_id}",
            sentence=f"It is {batch.status}, and its step fails since {error.since:%Y-%m-%d %H:%M:%S} UTC: "
            f"{error.reason}.",
            undecided=f"each tick takes the step again; {why}",
        )
    return None


async def _miscounted(runtime: Runtime, batch: Batch, counts: Any, snapshot: "Snapshot") -> Finding | None:
    recount = (await batches.count_jobs(runtime, batch, at=snapshot.read_time)).fields()
    if _agree(counts, recount, batch.job_count):
        return None

    async def rewrite() -> str:
        await repairs.rewrite_counts(runtime, batch.batch_id, recount, snapshot.update_time)
        return f"Its counts were set to {_told(recount)}."

    return Finding(
        check="batches",
        subject=f"{BATCHES}/{batch.batch_id}",
        sentence=f"It counts {_told(counts)}, and a recount gives {_told(recount)}.",
        mend=rewrite,
    )


def _agree(counts: Any, recount: Mapping[str, int], job_count: int) -> bool:
    """Whether the counts are the recount, or could have been before some jobs were deleted, or run again by hand."""
    if counts == recount:
        return True
    if not isinstance(counts, Mapping) or counts.keys() != recount.keys():
        return False
    ended = {name: count_of(counts[name]) for name in ("completed", "failed", "cancelled")}
    left = job_count - sum(ended.values())
    return left >= 0 and counts == {**ended, "retried": left} and all(ended[name] >= recount[name] for name in ended)


def _stuck(runtime: Runtime, batch: Batch, since: datetime) -> Finding:
    async def advance_it() -> str:
        await advance(runtime, batch.batch_id, NOTHING_LISTED)
        now = await batches.read(runtime, batch.batch_id)
        if now and now.status == batch.status:
            raise LeftAlone("it could not be advanced now")
        return f"It was advanced from {batch.status} to {now.status if now else 'its end'}."

    why = f" Its step failed last: {batch.last_error.reason}." if batch.last_error else ""
    return Finding(
        check="batches",
        subject=f"{BATCHES}/{batch.batch_id}",
        sentence=f"It is {batch.status}, and no tick has moved it since {since:%Y-%m-%d %H:%M:%S} UTC.{why}",
        mend=advance_it,
    )


def _told(counts: Any) -> str:
    if not isinstance(counts, dict):
        return "nothing"
    return ", ".join(f"{counts.get(name)} {name}" for name in ("completed", "failed", "retried", "cancelled"))
