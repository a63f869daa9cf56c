"""Log entries as Cloud Logging stores them, and the part of its query language that our filters use.

Comparisons joined by AND: https://cloud.google.com/logging/docs/view/logging-query-language.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

# https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
_SEVERITIES: Final = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
_COMPARISON: Final = re.compile(r'([\w.]+)(=~|!~|>=|=)("[^"]*"|[\w.]+)')
_EXTRACTION: Final = re.compile(r"EXTRACT\(([\w.]+)\)")

Entry = Mapping[str, Any]


def entries(printed: str) -> list[Entry]:
    """What becomes of the lines that a deployed function prints.

    Cloud Logging takes the fields that it knows out of a line, and keeps `message` in the rest as long as there is
    anything else in it: https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields.
    """
    return [_entry(json.loads(line)) for line in printed.splitlines() if line.startswith("{")]


def _entry(line: dict[str, Any]) -> Entry:
    known = {name: line.pop(name) for name in list(line) if name.startswith("logging.googleapis.com/")}
    entry = {
        "resource": {"type": "cloud_run_revision"},
        "severity": line.pop("severity"),
        "timestamp": line.pop("time"),
        "trace": known.get("logging.googleapis.com/trace"),
    }
    return entry | ({"textPayload": line["message"]} if line.keys() == {"message"} else {"jsonPayload": line})


def matches(query: str, entry: Entry) -> bool:
    """Whether an entry is found by a query. Raises ValueError for a query of which this knows too little."""
    held = [_holds(comparison, entry) for comparison in query.split(" AND ")]
    return all(held)


def extracted(extractor: str, entry: Entry) -> Any:
    """What an extractor finds in an entry; None if there is nothing."""
    found = _EXTRACTION.fullmatch(extractor)
    if found is None:
        raise ValueError(f"an extractor of another form: {extractor}")
    return _at(found[1], entry)


def _holds(comparison: str, entry: Entry) -> bool:
    found = _COMPARISON.fullmatch(comparison)
    if found is None:
        raise ValueError(f"a comparison of another form: {comparison}")
    path, operator, wanted = found[1], found[2], found[3].strip('"')
    there = _at(path, entry)
    if there is None:
        return False
    match operator:
        case "=":
            return str(there) == wanted
        case "=~":
            return re.search(wanted, str(there)) is not None
        case "!~":
            return re.search(wanted, str(there)) is None
    if path == "severity":
        return _SEVERITIES.index(there) >= _SEVERITIES.index(wanted)
    return isinstance(there, int | float) and there >= float(wanted)


def _at(path: str, entry: Entry) -> Any:
    found: Any = entry
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
