"""Leases: the right to work on a lane or a batch, until it expires.

A lease lives in the document that it guards, as `{owner, expiresAt, writes}`. Its fencing token is that document's
update time: the server moves it with every write. So a write under the precondition "the update time is still mine" can
only succeed while no other process has taken the lease. No counter of our own is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who works on a document, and until when."""

    owner: str
    # None once it was given free.
    expires_at: datetime | None
    # The number of the owner's last write: after a lost answer it tells whether that one landed.
    writes: int = 0

    @classmethod
    def read(cls, fields: Any) -> "Lease | None":
        """The lease in a document's `lease` field, if there is one."""
        if not isinstance(fields, Mapping):
            return None
        expires_at = fields.get("expiresAt")
        return cls(
            owner=str(fields.get("owner")),
            expires_at=expires_at if isinstance(expires_at, datetime) else None,
            writes=fields.get("writes", 0),
        )

    def fields(self) -> dict[str, Any]:
        """The document's `lease` field."""
        return {"owner": self.owner, "expiresAt": self.expires_at, "writes": self.writes}

    def is_live(self, now: datetime) -> bool:
        """Whether its owner may still be at work."""
        return self.expires_at is not None and now < self.expires_at

    def extended(self, now: datetime, seconds: float, writes: int) -> "Lease":
        """The lease as its owner's write number `writes` leaves it: to expire `seconds` from now."""
        return Lease(owner=self.owner, expires_at=now + timedelta(seconds=seconds), writes=writes)

    def released(self, writes: int) -> "Lease":
        """The lease as its owner's last write leaves it. It stays, so that this write can be told from others."""
        return Lease(owner=self.owner, expires_at=None, writes=writes)
