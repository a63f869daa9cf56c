"""The shards of a batch's result files, `ai_batches/{batchId}/shards/{shardId}`, each with a lease of its own.

They are created together, in a commit of the batch's holder, and deleted together, in the one that ends the batch's
ingestion. In between each is settled once: its numbers stand in its document, so that nothing counts twice.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import FieldFilter

from nightshift.batches.cutting import ResultFile, Shard, Stretch
from nightshift.batches.tally import Tally
from nightshift.database import leases
from nightshift.database.collections import BATCHES, SHARDS
from nightshift.database.commits import READ, Commit
from nightshift.database.leases import Hold, Writes
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

_IS_SETTLED: Final = "isSettled"


async def create(runtime: Runtime, hold: Hold, file: ResultFile, stretches: Sequence[Stretch]) -> list[Shard]:
    """Cut a batch's file into shards, in one commit under the batch's lease."""
    shards = [
        Shard(shard_id=f"{file}-{number:03}", file=file, stretch=stretch, is_settled=False)
        for number, stretch in enumerate(stretches)
    ]

    def create_all(writes: Commit) -> None:
        for shard in shards:
            fields = {"file": file, "start": shard.stretch.start, "end": shard.stretch.end, _IS_SETTLED: False}
            writes.create(_ref(runtime, hold.ref.id, shard.shard_id), fields)

    await hold.write({"isCut": True}, also=create_all)
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


async def take(runtime: Runtime, batch_id: str, shard_id: str) -> Hold | None:
    """Take the lease on a shard, or None if it is settled or gone. Raises LeaseHeld if somebody else is at it."""
    snapshot = await _ref(runtime, batch_id, shard_id).get(**READ)
    if not snapshot.exists or _shard(snapshot).is_settled:
        return None
    return await leases.begin_or_raise(runtime, snapshot).on_record()


def shard_of(hold: Hold) -> Shard:
    """The shard on which a lease is held."""
    return _read(hold.ref.id, hold.fields)


async def note_settled(hold: Hold, tally: Tally) -> None:
    """Record that all lines of a shard are dealt with, and give its lease free."""
    await hold.write({_IS_SETTLED: True, "tally": tally.fields()}, release=True)


def deletion(runtime: Runtime, batch_id: str, shards: Sequence[Shard]) -> Writes:
    """The writes that delete a batch's shards, for the commit that ends its ingestion."""

    def delete_all(writes: Commit) -> None:
        for shard in shards:
            writes.delete(_ref(runtime, batch_id, shard.shard_id))

    return delete_all


def _shard(snapshot: "DocumentSnapshot[Any]") -> Shard:
    return _read(snapshot.id, _fields(snapshot))


def _read(shard_id: str, fields: dict[str, Any]) -> Shard:
    return Shard(
        shard_id=shard_id,
        file=fields["file"],
        stretch=Stretch(start=fields["start"], end=fields["end"]),
        is_settled=fields[_IS_SETTLED],
    )


def _fields(snapshot: "DocumentSnapshot[Any]") -> dict[str, Any]:
    return snapshot.to_dict() or {}


def _collection(runtime: Runtime, batch_id: str) -> Any:
    return runtime.firestore.collection(BATCHES).document(batch_id).collection(SHARDS)


def _ref(runtime: Runtime, batch_id: str, shard_id: str) -> Any:
    return _collection(runtime, batch_id).document(shard_id)
