"""A provider says that a batch has ended: a worker looks at it, so that its users need not wait for the tick.

What the event says is a hint where to look, never the truth: what became of the batch is asked of the provider. So
the hint may be repeated, late, out of order or false; the worst that it does is to make us look in vain. A lost one
loses nothing either, for the tick looks at every open batch. Jobs that the batch's end queues again go out at once.
"""

import structlog
from structlog.contextvars import bind_contextvars

from nightshift.batches import documents as batches
from nightshift.batches import webhooks
from nightshift.batches.advance import advance_between_ticks
from nightshift.batches.batch import Batch
from nightshift.batches.listing import ProviderListing
from nightshift.batches.messages import EndedCall
from nightshift.providers.base import ProviderGone, ProviderRefusal, RemoteBatch
from nightshift.runtime import Runtime

log = structlog.get_logger()


async def look_at(runtime: Runtime, call: EndedCall) -> None:
    """Advance the batch, unless its event was dealt with before; then record the event.

    Raises:
        LeaseHeld: its holder may have looked a moment too early, so the call has to be delivered again.
        TryLater: a step met a passing trouble.
    """
    bind_contextvars(event_id=call.event_id, remote_id=call.remote_id)
    if await webhooks.was_dealt_with(runtime, call.event_id):
        return
    await _advance(runtime, call)
    await webhooks.record(runtime, call.event_id)


async def _advance(runtime: Runtime, call: EndedCall) -> None:
    batch = await batches.with_remote_id(runtime, call.remote_id)
    remote = None if batch else await _retrieved(runtime, call)
    if remote and remote.batch_id:
        batch = await _without_remote_id(runtime, remote.batch_id)
    if batch is None:
        log.info("webhook_for_unknown_batch")
        return
    bind_contextvars(batch_id=batch.batch_id, lane=str(batch.lane))
    await advance_between_ticks(runtime, batch.batch_id, ProviderListing.only([remote] if remote else []))


async def _retrieved(runtime: Runtime, call: EndedCall) -> RemoteBatch | None:
    try:
        return await runtime.providers.named(call.provider).retrieve(call.remote_id)
    except (ProviderGone, ProviderRefusal):
        return None


async def _without_remote_id(runtime: Runtime, batch_id: str) -> Batch | None:
    """The batch of ours that carries this stamp at the provider, if the answer that told us its id there was lost.

    Where another id is on record, the provider's batch is a double, and none of ours.
    """
    batch = await batches.read(runtime, batch_id) if batches.is_batch_id(batch_id) else None
    return batch if batch and batch.remote_id is None else None
