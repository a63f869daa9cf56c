"""The queue, for admins: what waits, sending it now, running failed jobs again, and holding submission back."""

import asyncio
from typing import Final

from nightshift.admission.failed_jobs import Filter
from nightshift.admission.retry import retry
from nightshift.admission.retry_price import price_of
from nightshift.api.creating import another_body, id_for
from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.jobs import JobNow
from nightshift.api.shapes.queue import (
    BulkStanding,
    FailedJobs,
    LaneView,
    OpenOrder,
    OrderAccepted,
    Queue,
    RetryOrder,
    SchedulerState,
    SubmitOrder,
)
from nightshift.batches import documents as batches
from nightshift.batches import submission
from nightshift.batches.messages import call_for_order
from nightshift.batches.submission import Submission
from nightshift.bulk import documents as bulk_jobs
from nightshift.bulk.forecast import hit_rate
from nightshift.errors import HttpError, JobRefused
from nightshift.jobs import created
from nightshift.orders import documents as orders
from nightshift.orders.order import OPEN, Order, OrderKind
from nightshift.reports.backlog import backlogs
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document

# Each is a read.
_MOST_COUNTED: Final = 5_000
# A thousand of them are one; `getBatchStats` knows how many there are in all.
_MOST_QUEUED: Final = 5_000
_ORDERED: Final = {409: "The Idempotency-Key was used with another body."}


async def look(call: ApiCall) -> Queue:
    """Look at what waits: each lane with queued jobs, what holds it back, and the orders that are not carried out."""
    runtime = call.runtime
    lanes, foretold, open_batches, open_bulk_jobs, now, waiting = await asyncio.gather(
        backlogs(runtime, most=_MOST_QUEUED),
        hit_rate(runtime),
        batches.count_open(runtime),
        bulk_jobs.count_open(runtime),
        submission.read(runtime),
        orders.open_orders(runtime),
    )
    return Queue(
        queued=sum(lane.jobs for lane in lanes),
        isCut=any(lane.is_cut for lane in lanes),
        lanes=[
            LaneView(
                lane=str(lane.lane),
                queued=lane.jobs,
                isCut=lane.is_cut,
                oldestQueuedAt=lane.oldest_queued_at,
                lastSubmittedAt=lane.state.last_submitted_at,
                backsOffUntil=lane.state.backs_off_until,
                usersWaiting=len(lane.state.users_back_off),
            )
            for lane in lanes
        ],
        openBatches=open_batches,
        bulk=BulkStanding(
            open=open_bulk_jobs,
            endForetold=foretold.foretold,
            endedAsForetold=foretold.hits,
        ),
        scheduler=_state(runtime, now),
        orders=[_open(order) for order in waiting],
    )


async def submit(call: ApiCall) -> OrderAccepted:
    """Send the queued jobs of one lane now, or of all lanes; whatever holds submission or a lane back.

    Jobs of users who troubled the provider again and again go last, each user's in batches of their own.
    """
    wanted: SubmitOrder = call.body
    return await _order(call, "submit", {"lane": wanted.lane} if wanted.lane else {})


async def submit_all(call: ApiCall) -> OrderAccepted:
    """Send all queued jobs now: `POST /queue/submit` without a lane, under the path of an older service."""
    return await _order(call, "submit", {})


async def retry_matching(call: ApiCall) -> OrderAccepted:
    """Run all failed jobs again that match. It is free for those that were refunded. Look at `GET /queue` meanwhile."""
    return await _order(call, "retry_jobs", _filter(call, call.body).fields())


async def failed_jobs(call: ApiCall) -> FailedJobs:
    """Count and price the failed jobs that match: those that `POST /jobs/retry` would run again."""
    price = await price_of(call.runtime, _filter(call, call.query), most_reads=_MOST_COUNTED)
    return FailedJobs(
        jobs=price.jobs, charged=price.charged, tokens=price.tokens, estimatedUsd=price.usd, isCut=price.is_cut
    )


def _filter(call: ApiCall, asked: RetryOrder) -> Filter:
    return Filter(
        before=call.runtime.now(),
        code=asked.code,
        type=asked.type,
        lane=asked.lane,
        since=asked.since,
        batch=asked.batch,
    )


async def retry_one(call: ApiCall) -> JobNow:
    """Run one failed or cancelled job again. It is free if it was refunded; else it is admitted by the next tick."""
    runtime, job_id = call.runtime, call.path["id"]
    job = await created.read(runtime, job_id) if names_a_document(job_id) else None
    if job is None:
        raise HttpError(404, "not_found", "There is no such job.")
    try:
        status = await retry(runtime, job_id, admits=False)
    except JobRefused as refusal:
        raise HttpError(409, refusal.code, refusal.message) from None
    return JobNow.model_validate({"id": job_id, "status": status})


async def scheduler(call: ApiCall) -> SchedulerState:
    """Look whether batches are submitted, and what holds them back."""
    return _state(call.runtime, await submission.read(call.runtime))


async def start(call: ApiCall) -> SchedulerState:
    """Let batches be submitted again; the next tick begins."""
    return await _switch(call, is_stopped=False)


async def stop(call: ApiCall) -> SchedulerState:
    """Submit no new batch until `POST /scheduler/start`. It reaches every instance within a minute."""
    return await _switch(call, is_stopped=True)


async def _switch(call: ApiCall, *, is_stopped: bool) -> SchedulerState:
    return _state(call.runtime, await submission.switch(call.runtime, is_stopped=is_stopped, by=call.user_id))


async def _order(call: ApiCall, kind: OrderKind, wish: dict[str, object]) -> OrderAccepted:
    """Record an order, and call a worker for it; the tick finds one for which no worker came."""
    order_id = id_for(call.user_id, kind, call.key)
    order = await orders.record(call.runtime, order_id, kind, wish, call.user_id)
    if order.wish != wish:
        raise another_body()
    if order.status == OPEN:
        await call_for_order(call.runtime, order_id)
    return OrderAccepted(id=order.order_id, kind=order.kind, lane=_lane(order), createdAt=order.created_at)


def _open(order: Order) -> OpenOrder:
    counts = {name: number for name, number in order.counts.items() if isinstance(number, int)}
    return OpenOrder(id=order.order_id, kind=order.kind, lane=_lane(order), createdAt=order.created_at, counts=counts)


def _lane(order: Order) -> str | None:
    lane = order.wish.get("lane")
    return lane if isinstance(lane, str) else None


def _state(runtime: Runtime, now: Submission) -> SchedulerState:
    window = runtime.settings.submit_at
    return SchedulerState(
        isStopped=now.is_stopped,
        changedAt=now.changed_at,
        changedBy=now.changed_by,
        window=str(window) if window else None,
        opensAt=now.opens_at,
        heldBy=now.held_by,
    )


ROUTES: Final = (
    ApiRoute(
        method="GET",
        path="/queue",
        who="admin",
        handler=look,
        answer=Queue,
        is_polled=True,
        aliases=("/batch/queue/status",),
    ),
    ApiRoute(
        method="POST",
        path="/queue/submit",
        who="admin",
        handler=submit,
        body=SubmitOrder,
        answer=OrderAccepted,
        status=202,
        creates=True,
        errors=_ORDERED,
        aliases=("/batch/process",),
    ),
    ApiRoute(
        method="POST",
        path="/batch/process/all",
        who="admin",
        handler=submit_all,
        answer=OrderAccepted,
        status=202,
        creates=True,
        errors=_ORDERED,
    ),
    ApiRoute(
        method="POST",
        path="/jobs/retry",
        who="admin",
        handler=retry_matching,
        body=RetryOrder,
        answer=OrderAccepted,
        status=202,
        creates=True,
        errors=_ORDERED,
    ),
    ApiRoute(method="GET", path="/failed-jobs", who="admin", handler=failed_jobs, query=RetryOrder, answer=FailedJobs),
    ApiRoute(
        method="POST",
        path="/jobs/{id}/retry",
        who="admin",
        handler=retry_one,
        answer=JobNow,
        errors={404: "There is no such job.", 409: "The job cannot be run again; the message says why."},
    ),
    ApiRoute(method="GET", path="/scheduler", who="admin", handler=scheduler, answer=SchedulerState, is_polled=True),
    *(
        ApiRoute(
            method="POST",
            path=f"/scheduler/{wish}",
            who="admin",
            handler=handler,
            answer=SchedulerState,
            aliases=(f"/batch/scheduler/{wish}",),
        )
        for wish, handler in (("start", start), ("stop", stop))
    ),
)
