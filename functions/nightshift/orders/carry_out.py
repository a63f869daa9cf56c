"""Carry an order out, under its lease: a worker that was called, the tick, or an operator's command."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

import structlog
from structlog.contextvars import bind_contextvars

from nightshift.admission.failed_jobs import Filter, pages_of_failed_jobs
from nightshift.admission.retry import retry
from nightshift.batches import lanes
from nightshift.batches.advance import submit_lane
from nightshift.bulk.running import start_ordered
from nightshift.database import leases
from nightshift.database.collections import ORDERS
from nightshift.database.commits import READ
from nightshift.database.leases import LeaseHolder
from nightshift.errors import BudgetSpent, JobRefused, TryLater
from nightshift.orders.order import DONE, OPEN, Order
from nightshift.runtime import Runtime, TimeLimit

log = structlog.get_logger()

_AT_ONCE: Final = 8


class OrderUnfinished(TryLater):
    """The time was over before the order was carried out; what was done is on record."""


async def carry_out(runtime: Runtime, order_id: str, time_limit: TimeLimit) -> None:
    """Carry out an order that is open; one that is done, or does not exist, is left alone.

    Raises:
        LeaseHeld: another process is at it.
        TryLater: a step met a passing trouble, or the time was over. The next call goes on from there.
    """
    bind_contextvars(order_id=order_id)
    snapshot = await runtime.firestore.collection(ORDERS).document(order_id).get(**READ)
    order = Order.read(order_id, snapshot.to_dict() or {}, snapshot.create_time)
    if order is None or order.status != OPEN:
        return
    lease = leases.take(runtime, snapshot)
    await lease.on_record()
    async with lease.released_after():
        if order.kind == "submit":
            counts = await _submit(runtime, order, time_limit)
        else:
            counts = await _retry_jobs(runtime, order, lease, time_limit)
        await lease.write({"status": DONE, "doneAt": runtime.now(), "counts": counts}, release=True)
    log.info("order_done", kind=order.kind, jobs=sum(counts.values()))


async def _submit(runtime: Runtime, order: Order, time_limit: TimeLimit) -> Mapping[str, int]:
    wanted = order.wish.get("lane")
    for lane in await lanes.with_queued_jobs(runtime):
        if wanted in {None, str(lane)} and not time_limit.is_over:
            try:
                await submit_lane(runtime, lane, time_limit, coalesce=False, is_ordered=True)
            except BudgetSpent:
                # The order is carried out as far as the budget reaches; the rest waits for the next day.
                log.warning("order_met_the_budget", lane=str(lane))
    await start_ordered(runtime, wanted if isinstance(wanted, str) else None, time_limit)
    return {}


async def _retry_jobs(runtime: Runtime, order: Order, lease: LeaseHolder, time_limit: TimeLimit) -> Mapping[str, int]:
    counts = Counter({name: number for name, number in order.counts.items() if isinstance(number, int)})
    asked = Filter.read(order.wish, before=order.created_at)
    async for jobs in pages_of_failed_jobs(runtime, asked, order.after):
        at_once = [job for job in jobs if asked.matches(job)]
        for first in range(0, len(at_once), _AT_ONCE):
            some = at_once[first : first + _AT_ONCE]
            counts.update(await asyncio.gather(*(_retried(runtime, job.job_id) for job in some)))
        await lease.write({"after": jobs[-1].job_id, "counts": dict(counts)})
        if time_limit.is_over:
            raise OrderUnfinished("the time is over; the order goes on with the next call")
    return dict(counts)


async def _retried(runtime: Runtime, job_id: str) -> str:
    """The status that a job has then, or `left`."""
    try:
        return await retry(runtime, job_id)
    except JobRefused:
        return "left"
