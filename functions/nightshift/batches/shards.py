"""The shards of a batch's result files, `ai_batches/{batchId}/shards/{shardId}`, each with a lease of its own.

They are created together, in a commit of the batch's holder, and deleted together, in the one that ends the batch's
ingestion. In between each is settled once: its numbers stand in its document, so that nothing counts twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import FieldFilter

from nightshift.batches.cutting import ByteRange, ResultFile, Shard
from nightshift.batches.tally import Tally
from nightshift.batches.transitions import HeldBatch
from nightshift.database import leases
from nightshift.database.collections import BATCHES, SHARDS
from nightshift.database.commits import READ, Commit
from nightshift.database.leases import LeaseHolder, Writes
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

_IS_SETTLED: Final = "isSettled"
# Versions that stored the provider's own lines have its two numbers beside it. Such a version cannot read a shard of
# ours: it fails, and leaves the lines to this one, instead of taking them for malformed.
_BYTE_RANGE: Final = "byteRange"


@dataclass(frozen=True, kw_only=True)
class HeldShard:
    """A shard on which this worker has the lease."""

    shard: Shard
    lease: LeaseHolder

    async def mark_settled(self, tally: Tally) -> None:
        """All lines of the shard are dealt with; the lease is given up."""
        await self.lease.write({_IS_SETTLED: True, "tally": tally.fields()}, release=True)


async def create(runtime: Runtime, held: HeldBatch, file: ResultFile, byte_ranges: Sequence[ByteRange]) -> list[Shard]:
    """Cut a batch's file into shards, in one commit under the batch's lease."""
    shards = [
        Shard(shard_id=f"{file}-{number:03}", file=file, byte_range=byte_range, is_settled=False)
        for number, byte_range in enumerate(byte_ranges)
    ]

    def create_all(writes: Commit) -> None:
        for shard in shards:
            byte_range = {"start": shard.byte_range.start, "end": shard.byte_range.end}
            fields = {"file": file, _BYTE_RANGE: byte_range, _IS_SETTLED: False}
            writes.create(_ref(runtime, held.batch.batch_id, shard.shard_id), fields)

    await held.cut(create_all)
    return shards


async def of_batch(runtime: Runtime, batch_id: str) -> tuple[list[Shard], Tally]:
    """A batch's shards in the order of their bytes, and what those that are settled counted."""
    snapshots = await _collection(runtime, batch_id).get(**READ)
    tally = sum((Tally.read(_fields(snapshot).get("tally")) for snapshot in snapshots), Tally())
    return [_shard(snapshot) for snapshot in snapshots], tally


async def is_any_unsettled(runtime: Runtime, batch_id: str) -> bool:
    """Whether a shard of the batch is still to be settled."""
    query = _collection(runtime, batch_id).where(filter=FieldFilter(_IS_SETTLED, "==", False)).limit(1)
    return bool(await query.get(**READ))


async def take(runtime: Runtime, batch_id: str, shard_id: str) -> HeldShard | None:
    """Take the lease on a shard, or None if it is settled or gone. Raises LeaseHeld if another worker is at it."""
    snapshot = await _ref(runtime, batch_id, shard_id).get(**READ)
    if not snapshot.exists or (shard := _shard(snapshot)).is_settled:
        return None
    return HeldShard(shard=shard, lease=await leases.take(runtime, snapshot).on_record())


def deletion(runtime: Runtime, batch_id: str, shards: Sequence[Shard]) -> Writes:
    """The writes that delete a batch's shards, for the commit that ends its ingestion."""

    def delete_all(writes: Commit) -> None:
        for shard in shards:
            writes.delete(_ref(runtime, batch_id, shard.shard_id))

    return delete_all


def _shard(snapshot: "DocumentSnapshot[Any]") -> Shard:
    return _read(snapshot.id, _fields(snapshot))


def _read(shard_id: str, fields: dict[str, Any]) -> Shard:
    byte_range = fields.get(_BYTE_RANGE, fields)
    return Shard(
        shard_id=shard_id,
        file=fields["file"],
        byte_range=ByteRange(start=byte_range["start"], end=byte_range["end"]),
        holds_our_lines=_BYTE_RANGE in fields,
        is_settled=fields[_IS_SETTLED],
    )


def _fields(snapshot: "DocumentSnapshot[Any]") -> dict[str, Any]:
    return snapshot.to_dict() or {}


def _collection(runtime: Runtime, batch_id: str) -> Any:
    return runtime.firestore.collection(BATCHES).document(batch_id).collection(SHARDS)


def _ref(runtime: Runtime, batch_id: str, shard_id: str) -> Any:
    return _collection(runtime, batch_id).document(shard_id)
