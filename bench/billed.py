"""What the cloud and the provider bill, as counted at the transport."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Self


@dataclass(kw_only=True)
class Billed:
    """Counts of what is billed (https://firebase.google.com/docs/firestore/pricing), and of calls to the provider."""

    # Documents returned by a query or a get, a document that does not exist included; a query that finds nothing is
    # one read, and so is an aggregation per 1,000 index entries.
    reads: int = 0
    # Documents created, set or updated by commits that took effect.
    writes: int = 0
    deletes: int = 0
    # Writes in commits that a precondition refused.
    refused_writes: int = 0
    # By method and path: `GET /batches`, `POST /files`.
    provider_calls: Counter[str] = field(default_factory=Counter)
    # Cloud Storage's operations, by method and kind: class A writes and lists, class B reads.
    storage_calls: Counter[str] = field(default_factory=Counter)
    published_messages: int = 0
    # Of this process, from the first line of `bill` to its last: its own work, and how long it all took.
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0

    def since(self, before: Self) -> Self:
        """What came on top."""
        return type(self)(**{each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(self)})
