"""A metric, an alert and a dashboard as `monitoring/` holds them: these tests do not hang on which there are."""

import json
from pathlib import Path

METRIC = {
    "description": "Dead letters.",
    "filter": 'jsonPayload.event="dead_letter"',
    "metricDescriptor": {"metricKind": "DELTA", "valueType": "INT64"},
}
ALERT = {
    "displayName": "Nightshift: dead letters",
    "combiner": "OR",
    "userLabels": {"app": "nightshift", "name": "sample-alert"},
    "conditions": [
        {
            "displayName": "a call that no worker could answer",
            "conditionThreshold": {
                "filter": 'metric.type="logging.googleapis.com/user/nightshift_sample"',
                "comparison": "COMPARISON_GT",
                "thresholdValue": 0,
                "duration": "0s",
            },
        }
    ],
}


DASHBOARD = {"displayName": "Sample", "labels": {"nightshift": ""}, "mosaicLayout": {"columns": 48, "tiles": []}}


def write(root: Path) -> None:
    """Write them below `root`."""
    files = (
        ("metrics", "nightshift_sample", METRIC),
        ("alerts", "sample-alert", ALERT),
        ("dashboards", "sample", DASHBOARD),
    )
    for folder, name, content in files:
        path = root / "monitoring" / folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
