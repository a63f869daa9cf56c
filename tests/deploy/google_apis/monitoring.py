"""Logging and Monitoring."""

from typing import Any

from tests.deploy.google_apis.project import NUMBER, PROJECT, Asked, GoogleApis, answers


@answers("logging", "GET", "v2/PROJECT/metrics")
def _metrics(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"metrics": google.listed("logging/metrics")}


@answers("logging", "GET", "v2/PROJECT/metrics/(?P<name>[^/]+)")
def _metric(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"logging/metrics/{found['name']}")


@answers("logging", "POST", "v2/PROJECT/metrics")
def _new_metric(google: GoogleApis, asked: Asked, _: Any) -> Any:
    metric = {**asked.body, "version": "V2", "createTime": "2026-01-01T00:00:00Z"}
    return google.create(f"logging/metrics/{asked.body['name']}", metric)


@answers("logging", "PUT", "v2/PROJECT/metrics/(?P<name>[^/]+)")
def _change_metric(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"logging/metrics/{found['name']}").update(asked.body)
    return google.there(f"logging/metrics/{found['name']}")


@answers("monitoring", "GET", "v1/PROJECT/dashboards")
def _dashboards(google: GoogleApis, _: Asked, __: Any) -> Any:
    return {"dashboards": google.listed("monitoring/dashboards")}


@answers("monitoring", "POST", "v1/PROJECT/dashboards")
def _new_dashboard(google: GoogleApis, asked: Asked, _: Any) -> Any:
    """The API leaves out what is zero, and adds an etag."""
    name = f"projects/{NUMBER}/dashboards/1"
    return google.create("monitoring/dashboards/1", {**asked.body, "name": name, "etag": "1"})


@answers("monitoring", "GET", "v3/PROJECT/(?P<kind>notificationChannels|alertPolicies)")
def _monitored(google: GoogleApis, _: Asked, found: Any) -> Any:
    return {found["kind"]: google.listed(f"monitoring/{found['kind']}")}


@answers("monitoring", "GET", "v3/PROJECT/(?P<kind>notificationChannels|alertPolicies)/(?P<name>[^/]+)")
def _one_monitored(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"monitoring/{found['kind']}/{found['name']}")


@answers("monitoring", "POST", "v3/PROJECT/(?P<kind>notificationChannels|alertPolicies)")
def _new_monitored(google: GoogleApis, asked: Asked, found: Any) -> Any:
    number = str(len(google.listed(f"monitoring/{found['kind']}")) + 1)
    thing = {"enabled": True, **asked.body, "name": f"projects/{PROJECT}/{found['kind']}/{number}"}
    for condition in thing.get("conditions", []):
        condition["name"] = f"{thing['name']}/conditions/1"
    return google.create(f"monitoring/{found['kind']}/{number}", thing)


@answers("monitoring", "PATCH", "v3/PROJECT/alertPolicies/(?P<name>[^/]+)")
def _change_policy(google: GoogleApis, asked: Asked, found: Any) -> Any:
    google.there(f"monitoring/alertPolicies/{found['name']}").update(asked.body)
    return google.there(f"monitoring/alertPolicies/{found['name']}")
