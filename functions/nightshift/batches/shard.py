"""One shard: settle its lines, and record that they are. It has a lease of its own, so no two workers do it at once."""

import structlog

from nightshift.batches import shards
from nightshift.batches.batch import Batch
from nightshift.batches.lines import settle_lines
from nightshift.providers import result_line
from nightshift.runtime import Runtime

log = structlog.get_logger()


async def settle_shard(runtime: Runtime, batch: Batch, shard_id: str) -> None:
    """Settle a shard, unless it is settled already. Raises LeaseHeld if another process holds its lease."""
    held = await shards.take(runtime, batch.batch_id, shard_id)
    if held is None:
        return
    async with held.lease.released_after():
        read = result_line.read if held.shard.holds_our_lines else runtime.provider_for(batch.lane).read_line
        tally = await settle_lines(runtime, batch, held.shard.file, held.shard.byte_range, read)
        await held.mark_settled(tally)
    log.info("shard_ingested", shard_id=shard_id, **tally.counts())
