"""docs/OPERATIONS.md: its tables hold all events, metrics and alerts that there are, and none besides."""

import json
import re
from pathlib import Path

import pytest

from local.part import ROOT
from tests.support.logged_events import Event, logged_events

PAGE = (ROOT / "docs" / "OPERATIONS.md").read_text()
EVENTS = logged_events()


def _rows(heading: str) -> dict[str, list[str]]:
    """The rows of the tables below a heading whose first cell is a name, by that name."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [re.split(r" ?\| ?", line.strip("|").strip()) for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows}


EVENT_ROWS = {name: row for name, row in _rows("Events").items() if len(row) == 4}
MONITORING_ROWS = _rows("Metrics and alerts")


def _files(kind: str) -> dict[str, dict[str, object]]:
    return {path.stem: json.loads(path.read_text()) for path in Path(ROOT / "monitoring" / kind).iterdir()}


def _anchors() -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_source_logs_some_forty_events() -> None:
    """A reader that finds none would let every table pass."""
    assert len(EVENTS) > 35
    assert EVENTS["left_to_redelivery"] == Event({"error", "warning"}, {"error", "reason"}, has_more=False)


def test_every_event_is_in_the_table_and_no_other() -> None:
    """An event that is added, renamed or removed changes here too."""
    assert sorted(EVENT_ROWS) == sorted(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_an_events_row_is_true(name: str) -> None:
    """Its severities and fields are those of the source, and it says what the event means and what to do."""
    severity, fields, meaning, to_do = EVENT_ROWS[name]
    named = set(re.findall(r"`([a-z_]+)`", fields))

    assert set(severity.split(", ")) == EVENTS[name].severities
    assert named >= EVENTS[name].fields
    assert EVENTS[name].has_more or named == EVENTS[name].fields
    assert meaning
    assert to_do
    assert to_do != "nothing" or "error" not in EVENTS[name].severities


def test_every_metric_and_alert_is_in_the_tables_and_no_other() -> None:
    """With what it is made of, and for an alert its severity."""
    alerts = _files("alerts")
    assert sorted(MONITORING_ROWS) == sorted([*_files("metrics"), *alerts])
    for name, alert in alerts.items():
        assert MONITORING_ROWS[name][0] == str(alert["severity"]).lower()


def test_every_link_within_the_page_leads_somewhere() -> None:
    """Those of the alerts too, which are read in the middle of the night."""
    alerts = json.dumps(_files("alerts"))
    linked = re.findall(r"\]\(#([^)]+)\)", PAGE) + re.findall(r"docs/OPERATIONS\.md#([a-z-]+)", alerts)

    assert len(linked) > 10
    assert set(linked) <= _anchors()
