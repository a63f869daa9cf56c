"""What a worker does, by its call. An error means that the call is delivered again."""

from structlog.contextvars import bind_contextvars

from nightshift.batches import documents as batches
from nightshift.batches import shards
from nightshift.batches.advance import advance_between_ticks
from nightshift.batches.ended import look_at
from nightshift.batches.listing import NOTHING_LISTED
from nightshift.batches.messages import BatchCall, EndedCall
from nightshift.batches.shard import settle_shard
from nightshift.runtime import Runtime


async def work(runtime: Runtime, call: BatchCall | EndedCall) -> None:
    """Do what a worker was called for.

    Raises:
        LeaseHeld: another instance holds the batch; the call is delivered again, until the work is done or found done.
        TryLater: a step met a passing trouble.
    """
    if isinstance(call, EndedCall):
        await look_at(runtime, call)
        return
    bind_contextvars(batch_id=call.batch_id)
    if call.shard_id:
        bind_contextvars(shard_id=call.shard_id)
        batch = await batches.read(runtime, call.batch_id)
        if batch is None:
            return
        bind_contextvars(lane=str(batch.lane))
        await settle_shard(runtime, batch, call.shard_id)
        if await shards.is_any_unsettled(runtime, call.batch_id):
            return
    await advance_between_ticks(runtime, call.batch_id, NOTHING_LISTED)
