"""One shard: settle its lines, and record that they are. It has a lease of its own, so no two workers do it at once."""

import structlog

from nightshift.batches import shards
from nightshift.batches.batch import Batch
from nightshift.batches.lines import settle_lines
from nightshift.runtime import Runtime

log = structlog.get_logger()


async def settle_shard(runtime: Runtime, batch: Batch, shard_id: str) -> None:
    """Settle a shard, unless it is settled already. Raises LeaseHeld if somebody else is at it."""
    hold = await shards.take(runtime, batch.batch_id, shard_id)
    if hold is None:
        return
    shard = shards.shard_of(hold)
    async with hold.released_after():
        tally = await settle_lines(runtime, batch, shard.file, shard.stretch)
        await shards.note_settled(hold, tally)
    log.info("shard_settled", shard_id=shard_id, **tally.counts())
