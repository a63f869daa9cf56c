"""An alert: something that an admin should know, `alerts/{alertId}`. It is opened once, and closed once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from nightshift.database.fields import time_or_none

AlertKind = Literal["failure_rate", "backlog", "late_batch", "savings_milestone"]
ALERT_KINDS: Final[tuple[AlertKind, ...]] = ("failure_rate", "backlog", "late_batch", "savings_milestone")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alert as read from its document."""

    alert_id: str
    kind: AlertKind
    is_open: bool
    message: str
    # What was found when it was opened, and what it had passed: a share, seconds, or dollars.
    value: float
    limit: float
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None
    # An admin's uid.
    acknowledged_by: str | None
    # The precondition of every write that follows from this reading.
    update_time: datetime

    @property
    def is_news(self) -> bool:
        """Whether it tells of no trouble that could end: an acknowledgement closes it."""
        return self.kind == "savings_milestone"

    @classmethod
    def read(cls, alert_id: str, fields: Mapping[str, Any], update_time: datetime | None) -> "Alert | None":
        """The alert of a document; None if it cannot be read."""
        kind = next((kind for kind in ALERT_KINDS if kind == fields.get("kind")), None)
        opened_at, by = time_or_none(fields.get("openedAt")), fields.get("acknowledgedBy")
        if kind is None or opened_at is None or update_time is None:
            return None
        return cls(
            alert_id=alert_id,
            kind=kind,
            is_open=fields.get("isOpen") is True,
            message=str(fields.get("message")),
            value=_number(fields.get("value")),
            limit=_number(fields.get("limit")),
            opened_at=opened_at,
            closed_at=time_or_none(fields.get("closedAt")),
            acknowledged_at=time_or_none(fields.get("acknowledgedAt")),
            acknowledged_by=by if isinstance(by, str) else None,
            update_time=update_time,
        )


def _number(field: Any) -> float:
    return float(field) if isinstance(field, int | float) else 0.0
