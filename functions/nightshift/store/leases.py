"""Holding a lease, and writing only while it is held.

What may happen between which lines:

- The holder dies: its lease expires, and the next taker finds the document as the last `write` left it.
- The holder sleeps past its lease and wakes up: the taker's write has moved the document's update time, so every
  write of the sleeper fails its precondition, and it learns `LeaseLost`. It has changed nothing since.
- The answer to a write is lost: the document is read again. Each write of a holder leaves its number there, so
  it is plain whether this one landed.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import DELETE_FIELD

from nightshift.model.errors import LeaseHeld, LeaseLost, TryLater
from nightshift.model.lease import Lease
from nightshift.runtime import Runtime
from nightshift.store.commits import READ, Undecided, attempts, commit

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, AsyncWriteBatch, DocumentSnapshot

Writes = Callable[["AsyncWriteBatch"], None]


class Hold:
    """A lease that is held on one document. `fields` are the document's, kept current by the writes."""

    def __init__(
        self,
        runtime: Runtime,
        ref: "AsyncDocumentReference",
        lease: Lease,
        fields: dict[str, Any],
        update_time: datetime,
    ) -> None:
        self.ref = ref
        self.lease = lease
        self.fields = fields
        self._update_time = update_time
        self.is_released = False
        self._runtime = runtime
        self._one_write_at_a_time = asyncio.Lock()
        self._writes = lease.writes

    async def write(self, changes: Mapping[str, Any], also: Writes | None = None, *, release: bool = False) -> None:
        """Change the document and, in the same commit, what `also` adds; renew the lease, or give it up.

        Raises:
            LeaseLost: somebody else holds it now; nothing was written.
            Undecided: a precondition that `also` brought failed; nothing was written.
        """
        async with self._one_write_at_a_time:
            # Counted before it is sent: a write that is given up in the middle keeps its number.
            self._writes += 1
            async for _ in attempts():
                lease = self.lease.extended(self._runtime.now(), self._runtime.settings.lease_seconds, self._writes)
                batch = self._runtime.firestore.batch()
                if also:
                    also(batch)
                batch.update(
                    self.ref,
                    {**changes, "lease": DELETE_FIELD if release else lease.fields()},
                    option=self._runtime.firestore.write_option(last_update_time=self._update_time),
                )
                try:
                    self._update_time = (await commit(batch))[-1].update_time
                except Undecided as doubt:
                    if not await self._landed(lease, release=release):
                        if also and doubt.is_refusal:
                            raise
                        continue
                self.lease = lease
                self.fields.update(changes)
                self.is_released = release
                return

    async def _landed(self, lease: Lease, *, release: bool) -> bool:
        """Whether the doubtful write landed. Raises LeaseLost if the document is somebody else's."""
        snapshot = await self.ref.get(**READ)
        stored = Lease.read((snapshot.to_dict() or {}).get("lease"))
        # Only a release takes a lease away altogether, and only its owner releases it.
        ours = release if stored is None else stored.owner == self.lease.owner
        if not snapshot.exists or not ours:
            raise LeaseLost(self.ref.path)
        self._update_time = snapshot.update_time
        return stored is None or stored.writes == lease.writes

    @asynccontextmanager
    async def released_after(self) -> AsyncIterator[None]:
        """Keep the lease while the body runs, and give it free after it, unless the body did."""
        try:
            async with self.kept():
                yield
        finally:
            if not self.is_released:
                with suppress(LeaseLost):
                    await self.write({}, release=True)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew the lease while the body runs. Once it is lost it is not renewed; the body's next write will say so."""

        async def renew() -> None:
            with suppress(TryLater):
                while True:
                    await asyncio.sleep(self._runtime.settings.lease_seconds / 3)
                    if self.is_released:
                        return
                    await self.write({})

        renewal = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewal.cancel()


def new_lease(runtime: Runtime) -> Lease:
    """A lease for a new holder, from now on."""
    now = runtime.now()
    return Lease(owner=uuid.uuid4().hex, expires_at=now + timedelta(seconds=runtime.settings.lease_seconds))


async def take(
    runtime: Runtime, snapshot: "DocumentSnapshot[Any]", create: Mapping[str, Any] | None = None
) -> Hold | None:
    """Take the lease on a document as it was read, or None if somebody else holds it or was faster.

    Args:
        create: the fields of the document where the snapshot says there is none yet.
    """
    fields: dict[str, Any] = snapshot.to_dict() or {}
    held = Lease.read(fields.get("lease"))
    if held and held.is_live(runtime.now()):
        return None
    lease = new_lease(runtime)
    batch = runtime.firestore.batch()
    if snapshot.exists:
        option = runtime.firestore.write_option(last_update_time=snapshot.update_time)
        batch.update(snapshot.reference, {"lease": lease.fields()}, option=option)
    elif create is not None:
        fields = dict(create)
        batch.create(snapshot.reference, {**fields, "lease": lease.fields()})
    else:
        return None
    try:
        update_time = (await commit(batch))[-1].update_time
    except Undecided:
        again = await snapshot.reference.get(**READ)
        taken = Lease.read((again.to_dict() or {}).get("lease"))
        if taken is None or taken.owner != lease.owner:
            return None
        update_time = again.update_time
    return Hold(runtime, snapshot.reference, lease, fields, update_time)


async def take_or_raise(runtime: Runtime, snapshot: "DocumentSnapshot[Any]") -> Hold:
    """Take the lease on an existing document. Raises LeaseHeld if somebody else holds it or was faster."""
    hold = await take(runtime, snapshot)
    if hold is None:
        raise LeaseHeld(f"a lease lies on {snapshot.reference.path}")
    return hold
