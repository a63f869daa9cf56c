"""Leases: the right to work on a lane or a batch, until it expires.

A lease lives in the document that it guards, as `{owner, expiresAt}`. Its fencing token is that document's
update time: the server moves it with every write, so a write under the precondition "the update time is still
mine" can only succeed while nobody else has taken the lease. No counter of our own is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who works on a document, and until when."""

    owner: str
    expires_at: datetime

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "Lease | None":
        """The lease in a document's `lease` field, if there is one."""
        return cls(owner=fields["owner"], expires_at=fields["expiresAt"]) if fields else None

    def fields(self) -> dict[str, Any]:
        """The document's `lease` field."""
        return {"owner": self.owner, "expiresAt": self.expires_at}

    def is_live(self, now: datetime) -> bool:
        """Whether its owner may still be at work."""
        return now < self.expires_at

    def extended(self, now: datetime, seconds: float) -> "Lease":
        """The same lease, to expire `seconds` from now."""
        return Lease(owner=self.owner, expires_at=now + timedelta(seconds=seconds))
