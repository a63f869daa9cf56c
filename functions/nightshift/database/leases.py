"""Holding a lease, and writing only while it is held.

Taking a lease writes nothing. We read the document, see no live lease, and store ours with the first write. That write
fails if the document has changed since. So of many processes that read the same, one alone succeeds; and a process that
finds nothing to do has written nothing. `on_record` is that first write by itself, for work whose effects lie
elsewhere.

What may happen between which lines:

- The holder dies. Its lease expires, and the next one finds the document as the last `write` left it.
- The holder sleeps past its lease and wakes up. The next holder's write has moved the document's update time. So every
  write of the sleeper fails its precondition and raises `LeaseLost`. It has changed nothing since.
- The answer to a write is lost. The document is read again. Each write of a holder leaves its name and its number
  there, the releasing one too. So it is plain whether this write landed.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.lease import Lease
from nightshift.errors import LeaseHeld, LeaseLost, TryLater
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

Writes = Callable[[Commit], None]


class LeaseHolder:
    """This process, as the holder of the lease on one document."""

    def __init__(
        self,
        runtime: Runtime,
        ref: "AsyncDocumentReference",
        update_time: datetime | None,
        lease: Lease | None = None,
        *,
        is_stamped: bool = False,
    ) -> None:
        """Take a lease in memory.

        Args:
            update_time: None for a document that does not exist yet; the first write creates it.
            lease: one that is on record already.
            is_stamped: each write moves the document's `updatedAt`, also one that renews the lease alone.
        """
        self.ref = ref
        self.is_on_record = lease is not None
        self.is_released = False
        self._runtime = runtime
        self._stamp = {"updatedAt": SERVER_TIMESTAMP} if is_stamped else {}
        self._lease = lease or _free_lease()
        self._update_time = update_time
        self._with_next: dict[str, Any] = {}
        self._one_write_at_a_time = asyncio.Lock()
        self._writes = self._lease.writes

    @property
    def update_time(self) -> datetime | None:
        """The document's update time, as this holder left it; None before it exists."""
        return self._update_time

    async def write(self, changes: Mapping[str, Any], also: Writes | None = None, *, release: bool = False) -> datetime:
        """Change the document and, in the same commit, what `also` adds; renew the lease, or give it up.

        Returns:
            The update time of all that the commit changed.

        Raises:
            LeaseHeld: another process put a lease on record first; nothing was written.
            LeaseLost: another process holds the lease now; nothing was written.
            Undecided: a precondition that `also` brought failed; nothing was written.
        """
        async with self._one_write_at_a_time:
            # Counted before it is sent: a write that is given up in the middle keeps its number.
            self._writes += 1
            changes = self._with_next | dict(changes)
            async for _ in attempts():
                lease = self._next_lease(release=release)
                commit = Commit(self._runtime)
                if also:
                    also(commit)
                self._add(commit, {**self._stamp, **changes, "lease": lease.fields()})
                try:
                    update_time = await commit.send()
                except Undecided as doubt:
                    snapshot = await self._read_own()
                    if not _has_landed(lease, snapshot):
                        if also and doubt.is_refusal:
                            raise
                        continue
                    update_time = snapshot.update_time
                self._update_time = update_time
                self._with_next.clear()
                self._lease, self.is_on_record, self.is_released = lease, True, release
                return update_time
        raise AssertionError("attempts() ends by raising")

    def with_next_write(self, changes: Mapping[str, Any]) -> None:
        """Change the document with the next write, whatever that is; a crash before it forgets these changes."""
        self._with_next |= changes

    async def renew(self) -> None:
        """Put the lease on record for another length. After it no earlier write can land. Raises as `write`."""
        await self.write({})

    async def on_record(self) -> Self:
        """Put the lease on record, if it is not; returns this holder. Raises LeaseHeld."""
        if not self.is_on_record:
            await self.renew()
        return self

    @asynccontextmanager
    async def released_after(self) -> AsyncIterator[None]:
        """Keep the lease while the body runs, and give it free after it, unless the body did."""
        try:
            async with self.renewed():
                yield
        finally:
            if self.is_on_record and not self.is_released:
                with suppress(LeaseLost):
                    await self.write({}, release=True)

    @asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Renew the lease while the body runs. Once it is lost it is not renewed; the body's next write will say so."""

        async def renew() -> None:
            with suppress(TryLater):
                while True:
                    await asyncio.sleep(self._runtime.settings.lease_seconds / 3)
                    if self.is_released:
                        return
                    await self.renew()

        renewal = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewal.cancel()

    def _next_lease(self, *, release: bool) -> Lease:
        if release:
            return self._lease.released(self._writes)
        return self._lease.extended(self._runtime.now(), self._runtime.settings.lease_seconds, self._writes)

    def _add(self, commit: Commit, changes: Mapping[str, Any]) -> None:
        if self._update_time is None:
            commit.create(self.ref, changes)
        else:
            commit.update(self.ref, changes, self._update_time)

    async def _read_own(self) -> "DocumentSnapshot[Any]":
        """Read the document again after a doubt. Raises LeaseHeld or LeaseLost if another process took it."""
        snapshot = await self.ref.get(**READ)
        stored = _lease_of(snapshot)
        if stored and stored.owner == self._lease.owner:
            self._update_time = snapshot.update_time
        elif self.is_on_record:
            raise LeaseLost(self.ref.path)
        elif snapshot.update_time != self._update_time:
            raise LeaseHeld(f"another process was faster at {self.ref.path}")
        return snapshot


def new_lease(runtime: Runtime) -> Lease:
    """A live lease, for a document that its holder creates."""
    return _free_lease().extended(runtime.now(), runtime.settings.lease_seconds, writes=0)


def take_if_free(
    runtime: Runtime, snapshot: "DocumentSnapshot[Any]", *, is_stamped: bool = False
) -> LeaseHolder | None:
    """Take the lease on a document as it was read, or None if another process has a live one."""
    held = _lease_of(snapshot)
    if held and held.is_live(runtime.now()):
        return None
    return LeaseHolder(runtime, snapshot.reference, snapshot.update_time, is_stamped=is_stamped)


def take(runtime: Runtime, snapshot: "DocumentSnapshot[Any]", *, is_stamped: bool = False) -> LeaseHolder:
    """The same; raises LeaseHeld if another process has a live one."""
    holder = take_if_free(runtime, snapshot, is_stamped=is_stamped)
    if holder is None:
        raise LeaseHeld(f"a lease lies on {snapshot.reference.path}")
    return holder


def _has_landed(lease: Lease, snapshot: "DocumentSnapshot[Any]") -> bool:
    stored = _lease_of(snapshot)
    return stored is not None and (stored.owner, stored.writes) == (lease.owner, lease.writes)


def _lease_of(snapshot: "DocumentSnapshot[Any]") -> Lease | None:
    return Lease.read((snapshot.to_dict() or {}).get("lease"))


def _free_lease() -> Lease:
    return Lease(owner=uuid.uuid4().hex, expires_at=None)
