"""How the last tick ended: one document, `ticks/last`, which each tick replaces.

So that a caller who asks how the night goes costs one read, and not a count of all jobs. A tick that dies leaves the
record of the one before; its age says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import TICKS
from nightshift.database.commits import READ, Commit
from nightshift.runtime import Runtime

_LAST: Final = "last"


@dataclass(frozen=True, kw_only=True)
class TickRecord:
    """What a tick left."""

    done_at: datetime
    fields: Mapping[str, Any]


async def record(runtime: Runtime, fields: Mapping[str, Any]) -> None:
    """Replace the record. Raises Undecided; then the next tick's comes in its place."""
    commit = Commit(runtime)
    commit.set(runtime.firestore.collection(TICKS).document(_LAST), {**fields, "doneAt": SERVER_TIMESTAMP})
    await commit.send()


async def read(runtime: Runtime) -> TickRecord | None:
    """The record; None before the first tick. One read."""
    snapshot = await runtime.firestore.collection(TICKS).document(_LAST).get(**READ)
    fields = snapshot.to_dict() or {}
    done_at = fields.get("doneAt")
    return TickRecord(done_at=done_at, fields=fields) if isinstance(done_at, datetime) else None
