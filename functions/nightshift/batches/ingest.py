"""Ingest: `ingesting` → `closing`. Copy the provider's files to Cloud Storage, and settle every line of them.

The output file comes first, so where both files name a job its answer wins. A small file is settled in place. A
large one is cut into shards, and workers are called to settle them side by side (`shard.py`). The call is a hint
only. The next worker or tick that finds an unsettled shard without a live lease settles it. So a lost message, or a
worker that died, delays the batch and loses nothing.

| the process dies | what is left | who goes on |
|---|---|---|
| while copying | perhaps a copy | copies again |
| while settling a small file | some lines settled | reads them all again, and passes over what is settled |
| before the workers are called | shards without a lease | settles them |
| while at a shard | some of its lines settled | its message's next delivery, or the tick, after its lease |
| after the last shard | settled shards | sums them up |

Once no job of the batch waits for an answer any more, a file that is gone is not missed: a process that died after
the last line may have deleted it.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import structlog

from nightshift.batches import artifacts, messages, shards
from nightshift.batches.batch import Batch
from nightshift.batches.cutting import ByteRange, Cutter, ResultFile, Shard
from nightshift.batches.members import Members
from nightshift.batches.shard import settle_shard
from nightshift.batches.tally import Tally
from nightshift.batches.transitions import HeldBatch
from nightshift.errors import LeaseHeld
from nightshift.providers.base import ProviderGone, ProviderRefusal, ProviderTrouble
from nightshift.runtime import Runtime

log = structlog.get_logger()

# A result file is sometimes not visible at once. One that stays away this long, counted from the batch's end, is gone.
_VISIBLE_AFTER: Final = timedelta(minutes=30)
# One that cannot be read whole for this long is given up, too. Its jobs are sent again.
_TROUBLE_PATIENCE: Final = timedelta(hours=24)


async def ingest(runtime: Runtime, held: HeldBatch, members: Members) -> bool:
    """Settle all that the provider's files say.

    Returns:
        Whether it is done; False while workers are at it.

    Raises:
        ProviderTrouble: a file cannot be read now; then it is repeated.
    """
    batch = held.batch
    cut = (await shards.of_batch(runtime, batch.batch_id))[0] if batch.is_cut else []
    in_place = Tally()
    files: tuple[tuple[ResultFile, str | None], ...] = (
        ("output", batch.output_file_id),
        ("errors", batch.error_file_id),
    )
    for file, file_id in files:
        of_file = [shard for shard in cut if shard.file == file]
        if not of_file and file_id:
            byte_ranges = await _copy(runtime, batch, members, file, file_id)
            if members.settles_at_close:
                continue
            if len(byte_ranges) == 1:
                in_place += await members.settle_lines(file, byte_ranges[0])
                continue
            of_file = await _cut(runtime, held, file, byte_ranges)
            if of_file and await messages.call_workers(runtime, batch.batch_id, [s.shard_id for s in of_file]):
                return False
        if not await _settle_shards(runtime, batch, of_file):
            return False
    if members.settles_at_close:
        # From here on the copies are read. The provider's files are not missed.
        await held.record_copies()
    else:
        await _sum_up(runtime, held, in_place)
    return True


async def _copy(runtime: Runtime, batch: Batch, members: Members, file: ResultFile, file_id: str) -> list[ByteRange]:
    """Copy a file to Cloud Storage; returns its byte_ranges, none if the file is given up."""
    cutter = Cutter(runtime.settings.shard_lines)
    try:
        chunks = _passing(cutter, runtime.provider_for(batch.lane).results(file_id))
        await artifacts.write(runtime, batch.batch_id, file, chunks)
    except (ProviderGone, ProviderTrouble, ProviderRefusal) as trouble:
        if not await members.is_any_waiting():
            return []
        patience = _TROUBLE_PATIENCE if isinstance(trouble, ProviderTrouble) else _VISIBLE_AFTER
        if runtime.now() < (batch.ended_at or batch.created_at) + patience:
            raise ProviderTrouble(f"a result file cannot be read yet: {trouble}") from trouble
        log.warning("result_file_given_up", file=file, error=type(trouble).__name__)
        return []
    return cutter.byte_ranges()


async def _passing(cutter: Cutter, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        cutter.feed(chunk)
        yield chunk


async def _cut(runtime: Runtime, held: HeldBatch, file: ResultFile, byte_ranges: list[ByteRange]) -> list[Shard]:
    if not byte_ranges:
        return []
    log.info("batch_cut", file=file, shards=len(byte_ranges))
    return await shards.create(runtime, held, file, byte_ranges)


async def _settle_shards(runtime: Runtime, batch: Batch, of_file: list[Shard]) -> bool:
    """Settle the shards that have no live lease. Returns whether all are settled now."""
    are_settled = True
    for shard in of_file:
        if not shard.is_settled:
            try:
                await settle_shard(runtime, batch, shard.shard_id)
            except LeaseHeld:
                are_settled = False
    return are_settled


async def _sum_up(runtime: Runtime, held: HeldBatch, in_place: Tally) -> None:
    batch = held.batch
    cut, of_shards = await shards.of_batch(runtime, batch.batch_id) if batch.is_cut else ([], Tally())
    tally = in_place + of_shards
    log.info("batch_ingested", **tally.counts())
    await held.sum_up(tally, shards.deletion(runtime, batch.batch_id, cut) if cut else None)
