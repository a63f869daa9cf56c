"""Run again: what failed or was cancelled of an ended bulk job is counted, quoted, and opened once it is paid.

Invalid rows stay failed: they can never be answered. Their lines in the stored rows say which they are.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from nightshift import job_types
from nightshift.bulk import documents, transitions
from nightshift.bulk.bulk_job import BulkJob, BulkQuote
from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.forecast import LeftToDo, forecast
from nightshift.bulk.part import BulkPart
from nightshift.bulk.states import States
from nightshift.bulk.stored_rows import read_rows
from nightshift.database.leases import LeaseHolder
from nightshift.runtime import Runtime

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Reopened:
    """A part whose failed and cancelled items are open again."""

    part: int
    items: int
    counts: BulkCounts
    states: States
    # Those of the invalid rows.
    first_errors: tuple[dict[str, Any], ...]
    update_time: datetime

    def fields(self) -> dict[str, Any]:
        """What the part's document says then."""
        return {
            "status": "waiting",
            "counts": self.counts.fields(),
            "states": self.states.packed(),
            "firstErrors": list(self.first_errors),
        }


async def quote_again(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder) -> bool:
    """An ended bulk job → quoted, for all that failed or was cancelled. Returns whether there is anything."""
    parts = await reopened(runtime, bulk)
    items = sum(part.items for part in parts)
    if not items and not bulk.counts.open:
        await transitions.decline(holder)
        return False
    # What was never charged is still open.
    items += 0 if bulk.charges else bulk.counts.open
    tokens = job_types.find(bulk.type).tokens
    before = bulk.quote or {}
    usd, of_items = before.get("estimatedUsd"), before.get("items") or 1
    quoted = BulkQuote(
        items=items,
        invalid=bulk.counts.failed + bulk.counts.cancelled + (0 if bulk.charges else bulk.counts.open) - items,
        tokens=items * tokens["batch"],
        tokens_instant=items * tokens["instant"],
        estimated_usd=None if usd is None else usd * items / of_items,
    )
    left = LeftToDo(waiting=len(parts) or bulk.parts, open=items)
    eta = await forecast(runtime, bulk, left, bulk.speed or "batch")
    await transitions.quote_again(holder, quoted, bulk.wish_tokens, eta)
    log.info("bulk_quoted", bulk_id=bulk.bulk_id, items=items, invalid=quoted.invalid, parts=len(parts))
    return True


async def reopened(runtime: Runtime, bulk: BulkJob) -> list[Reopened]:
    """The parts with items that can be run again, as they are once these are open."""
    parts = await documents.whole_parts(runtime, bulk.bulk_id, bulk.parts)
    ended = [part for part in parts if part.counts.failed or part.counts.cancelled]
    return [again for part in ended if (again := await _reopened(runtime, part))]


async def _reopened(runtime: Runtime, part: BulkPart) -> Reopened | None:
    states = part.states.copy()
    failed = cancelled = 0
    invalid = set()
    async for rows in read_rows(runtime, part):
        for index, row in rows:
            if row.error:
                invalid.add(row.row)
            elif row.is_item and part.states[index] in {"failed", "cancelled"}:
                failed += part.states[index] == "failed"
                cancelled += part.states[index] == "cancelled"
                states[index] = "open"
    if not failed and not cancelled:
        return None
    counts = BulkCounts(
        open=part.counts.open + failed + cancelled,
        completed=part.counts.completed,
        failed=part.counts.failed - failed,
        cancelled=part.counts.cancelled - cancelled,
    )
    return Reopened(
        part=part.part,
        items=failed + cancelled,
        counts=counts,
        states=states,
        first_errors=tuple(error for error in part.first_errors if error["row"] in invalid),
        update_time=part.update_time,
    )
