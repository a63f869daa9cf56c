"""Alerts in the product, for admins."""

from typing import Any, Final, Literal

from pydantic import Field

from nightshift.api.shapes.common import ApiModel, PageAsked, Time, example

AlertKind = Literal["failure_rate", "backlog", "late_batch", "savings_milestone"]

ALERT: Final[dict[str, Any]] = {
    "id": "late_batch.ns-8fK2mQx0Zr8fK2mQx0Zr",
    "kind": "late_batch",
    "isOpen": True,
    "message": "The batch ns-8fK2mQx0Zr8fK2mQx0Zr has been at the provider for 26 hours.",
    "value": 93600.0,
    "limit": 86400.0,
    "openedAt": "2026-11-28T04:10:02.310Z",
}


class AlertView(ApiModel):
    """Something that an admin should know. It is opened once, and closed once."""

    id: str
    kind: AlertKind
    isOpen: bool
    message: str
    value: float = Field(description="What was found: a share, a number of seconds, or dollars.")
    limit: float = Field(description="What it passed.")
    openedAt: Time
    closedAt: Time | None = None
    acknowledgedAt: Time | None = None
    acknowledgedBy: str | None = Field(None, description="The admin's uid.")

    model_config = example(**ALERT)


class AlertsAsked(PageAsked):
    """Which alerts."""

    open: bool | None = Field(None, description="`true`: only those that are open.")


class AlertPage(ApiModel):
    """Alerts, the newest first."""

    alerts: list[AlertView]
    nextPageToken: str | None = None

    model_config = example(alerts=[ALERT])
