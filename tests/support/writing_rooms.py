"""One room writes each collection, and a bulk job's part says when: every test fails in which that is not so.

The writes of a commit pass through here while tests run. The room is that of the code which adds the write.
"""

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from nightshift.database import collections as names
from nightshift.database.commits import Commit

# By the first part of a document's path: what lies below a document belongs to its room.
WRITING_ROOMS: Final[Mapping[str, str]] = {
    names.JOBS: "jobs",
    names.CLASSIFICATIONS: "jobs",
    names.NOTIFICATIONS: "jobs",
    names.WALLETS: "ledger",
    names.BATCHES: "batches",
    names.LANES: "batches",
    names.WEBHOOKS: "batches",
    names.LATENCIES: "instant",
    names.BULK_JOBS: "bulk",
    names.ECONOMY: "earning",
    names.PREFERENCES: "notify",
    names.DEVICES: "notify",
    names.OUTBOX: "notify",
    names.DIGESTS: "notify",
    names.MAIL: "notify",
    names.TICKS: "reports",
    names.SCHEDULER: "batches",
    names.ORDERS: "orders",
    names.METRICS: "reports",
    names.METRICS_DAYS: "reports",
    names.ALERTS: "reports",
}
# These write on behalf of the room that called them.
_BEARERS: Final = "nightshift.database"
# It deletes what a user owned, wherever it lies.
_ERASURE: Final = "cli.erasure"
_KINDS: Final = ("create", "set", "update", "merge", "add_up", "replace", "delete")


def watch() -> None:
    """Check each write of this process from now on."""
    for kind in _KINDS:
        setattr(Commit, kind, _checked(kind, getattr(Commit, kind)))


def check(kind: str, collection: str, module: str) -> None:
    """Raise AssertionError if this module may not write this collection."""
    if module.startswith(_ERASURE) and kind == "delete":
        return
    room = WRITING_ROOMS.get(collection)
    assert room, f"{collection} has no writing room: name it in tests/support/writing_rooms.py"
    assert f"{module}.".startswith(f"nightshift.{room}."), f"{module} writes {collection}, which {room} writes alone"


def _checked(kind: str, write: Callable[..., None]) -> Callable[..., None]:
    @wraps(write)
    def checked(commit: Commit, ref: Any, *arguments: Any, **named: Any) -> None:
        collection, _, below = ref.path.partition("/")
        if module := _writer():
            check(kind, collection, module)
        if collection == names.BULK_JOBS and f"/{names.PARTS}/" in below and kind != "delete":
            # By it an instance knows which parts have changed (bulk/known_parts.py).
            assert "updatedAt" in arguments[0], f"{ref.path} is changed without its updatedAt"
        write(commit, ref, *arguments, **named)

    return checked


def _writer() -> str | None:
    """The module of ours that adds a write; None for a test, and for a lease that is renewed by itself."""
    frame = sys._getframe(2)
    while frame:
        module = str(frame.f_globals.get("__name__"))
        if not module.startswith(_BEARERS):
            return module if module.startswith(("nightshift.", "cli.")) else None
        frame = frame.f_back  # type: ignore[assignment]
    return None
