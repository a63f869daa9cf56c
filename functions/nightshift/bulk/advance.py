"""Look at a bulk job, take its next step, record it, and go on until it waits for its parts or for its user.

A trigger, a worker, the tick and an operator advance it. Each step can be repeated without harm, so a crash needs no
repair code: the next one finds what was recorded, and goes on from there.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog
from structlog.contextvars import bind_contextvars

from nightshift.bulk import again, charging, check, documents, ending, exporting, messages, reading, running
from nightshift.bulk.bulk_job import BulkJob
from nightshift.database import leases
from nightshift.database.leases import LeaseHolder
from nightshift.runtime import Runtime, TimeLimit

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

log = structlog.get_logger()

_NOTHING_ANSWERED: Final[Mapping[str, int]] = {}


async def advance_bulk(runtime: Runtime, bulk_id: str, time_limit: TimeLimit) -> None:
    """Bring a bulk job as far as it goes now; one that has ended, or does not exist, is left alone.

    When the time is over a worker is called, which goes on.

    Raises:
        LeaseHeld: another process is at it.
        TryLater: a step met a passing trouble; any later advance takes the step again.
    """
    if await advance_within(runtime, bulk_id, time_limit):
        await messages.call_workers(runtime, [bulk_id])


async def advance_within(
    runtime: Runtime, bulk_id: str, time_limit: TimeLimit, answered: Mapping[str, int] = _NOTHING_ANSWERED
) -> bool:
    """The same, and no worker is called.

    Args:
        answered: how many answers the provider counts in each batch that is under way, for the progress.

    Returns:
        Whether the time was over while the bulk job still had a step before it.
    """
    bind_contextvars(bulk_id=bulk_id)
    while (snapshot := await documents.snapshot_of(runtime, bulk_id)) is not None:
        is_moving = await _step(runtime, snapshot, answered, time_limit)
        if time_limit.is_over:
            return documents.bulk_job_of(snapshot).is_open
        if not is_moving:
            break
    return False


async def _step(
    runtime: Runtime, snapshot: "DocumentSnapshot[Any]", answered: Mapping[str, int], time_limit: TimeLimit
) -> bool:
    """Take the bulk job's next step. Returns whether there may be another one now."""
    bulk = documents.bulk_job_of(snapshot)
    if bulk.status in {"running", "paused"}:
        return await running.run(runtime, bulk, answered, time_limit)
    if not bulk.is_open and bulk.wish != "retry":
        return False
    holder = leases.take(runtime, snapshot)
    async with holder.released_after():
        return await _step_held(runtime, bulk, holder, time_limit)


async def _step_held(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder, time_limit: TimeLimit) -> bool:
    if bulk.is_cancelling and bulk.status != "exporting":
        await ending.cancel_before_it_runs(runtime, bulk, holder)
        return True
    match bulk.status:
        case "created":
            await check.check(runtime, bulk, holder)
            return True
        case "reading":
            return await reading.read_on(runtime, bulk, holder, time_limit)
        case "quoted":
            return await charging.charge(runtime, bulk, holder)
        case "exporting":
            return await exporting.export(runtime, bulk, holder, time_limit)
        case _:
            return await again.quote_again(runtime, bulk, holder)
