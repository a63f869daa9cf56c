"""Alerts in Firestore: listed, and acknowledged by an admin."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP, FieldFilter, Query

from nightshift.database.collections import ALERTS
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.reports.alert import Alert
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

MOST_IN_A_REPORT: Final = 100


def alert_ref(runtime: Runtime, alert_id: str) -> "AsyncDocumentReference":
    """Where an alert lies."""
    ref: AsyncDocumentReference = runtime.firestore.collection(ALERTS).document(alert_id)
    return ref


def alert_of(snapshot: "DocumentSnapshot[Any]") -> Alert | None:
    """The alert of a document; None if it cannot be read, or does not exist."""
    return Alert.read(snapshot.id, snapshot.to_dict() or {}, snapshot.update_time)


def query(runtime: Runtime, *, is_open: bool) -> Any:
    """The query for all alerts, or for those that are open."""
    every: Any = runtime.firestore.collection(ALERTS)
    return every.where(filter=FieldFilter("isOpen", "==", True)) if is_open else every


async def newest_open(runtime: Runtime, limit: int) -> list[Alert]:
    """Open alerts, the newest first. One read each, and at least one."""
    found = query(runtime, is_open=True).order_by("openedAt", direction=Query.DESCENDING).limit(limit)
    return [alert for snapshot in await found.get(**READ) if (alert := alert_of(snapshot))]


async def opened_between(runtime: Runtime, begin: datetime, end: datetime) -> list[Alert]:
    """Alerts that were opened from `begin` on and before `end`, the newest first, 100 at most. One read each."""
    found = query(runtime, is_open=False).where(filter=FieldFilter("openedAt", ">=", begin))
    found = found.where(filter=FieldFilter("openedAt", "<", end))
    found = found.order_by("openedAt", direction=Query.DESCENDING).limit(MOST_IN_A_REPORT)
    return [alert for snapshot in await found.get(**READ) if (alert := alert_of(snapshot))]


async def acknowledge(runtime: Runtime, alert_id: str, by: str) -> Alert | None:
    """Put on record that an admin has seen an alert; the first one stays. News is closed by it.

    Returns:
        The alert as it is then; None if it does not exist.
    """
    ref = alert_ref(runtime, alert_id)
    async for _ in attempts():
        alert = alert_of(await ref.get(**READ))
        if alert is None or alert.acknowledged_at:
            return alert
        commit = Commit(runtime)
        seen: dict[str, Any] = {"acknowledgedAt": SERVER_TIMESTAMP, "acknowledgedBy": by}
        if alert.is_news and alert.is_open:
            seen |= {"isOpen": False, "closedAt": SERVER_TIMESTAMP}
        commit.update(ref, seen, read_as_of=alert.update_time)
        try:
            await commit.send()
        except Undecided:
            continue
    raise AssertionError("attempts() ends by raising")
