"""Alerts in the product (reports/watch.py opens and closes them), for admins."""

from typing import Final

from nightshift.api.cursors import page_of
from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.alerts import AlertPage, AlertsAsked, AlertView
from nightshift.errors import HttpError
from nightshift.reports import alerts
from nightshift.reports.alert import Alert
from nightshift.values.ids import names_a_document


async def list_alerts(call: ApiCall) -> AlertPage:
    """List alerts, the newest first; with `open=true`, those that are open."""
    asked: AlertsAsked = call.query
    query = alerts.query(call.runtime, is_open=asked.open is True)
    page, token = await page_of(query, asked.pageSize, asked.pageToken, by="openedAt", newest_first=True)
    found = [alert_view(alert) for snapshot in page if (alert := alerts.alert_of(snapshot))]
    return AlertPage(alerts=found, nextPageToken=token)


async def acknowledge(call: ApiCall) -> AlertView:
    """Put on record that an admin has seen an alert. The first acknowledgement stays; it closes a milestone."""
    alert_id = call.path["id"]
    alert = await alerts.acknowledge(call.runtime, alert_id, call.user_id) if names_a_document(alert_id) else None
    if alert is None:
        raise HttpError(404, "not_found", "There is no such alert.")
    return alert_view(alert)


def alert_view(alert: Alert) -> AlertView:
    """An alert in its answer's form."""
    return AlertView(
        id=alert.alert_id,
        kind=alert.kind,
        isOpen=alert.is_open,
        message=alert.message,
        value=alert.value,
        limit=alert.limit,
        openedAt=alert.opened_at,
        closedAt=alert.closed_at,
        acknowledgedAt=alert.acknowledged_at,
        acknowledgedBy=alert.acknowledged_by,
    )


ROUTES: Final = (
    ApiRoute(
        method="GET",
        path="/alerts",
        who="admin",
        handler=list_alerts,
        query=AlertsAsked,
        answer=AlertPage,
        is_polled=True,
        aliases=("/batch/alerts",),
    ),
    ApiRoute(
        method="POST",
        path="/alerts/{id}/ack",
        who="admin",
        handler=acknowledge,
        answer=AlertView,
        errors={404: "There is no such alert."},
    ),
)
