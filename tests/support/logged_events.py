"""Every event that the functions can log, by their source: its name, its severities and its fields."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.part import ROOT

_LEVELS: Final = {"debug", "info", "warning", "error", "critical"}
_LOGGERS: Final = ("log", "events")


@dataclass
class Event:
    """What all calls that log it have in common, or not."""

    severities: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    # Whether a call adds fields of which the source does not say the names.
    has_more: bool = False


def logged_events() -> dict[str, Event]:
    """The events by name.

    Raises:
        AssertionError: a call's event is no literal, so a search would not find it.
    """
    found: dict[str, Event] = {}
    sources = [path for room in ("functions/nightshift", "cli") for path in sorted((ROOT / room).rglob("*.py"))]
    for path in [ROOT / "functions" / "main.py", *sources]:
        for call, levels in _calls(path):
            name = call.args[0] if call.args else None
            assert isinstance(name, ast.Constant) and isinstance(name.value, str), f"{path}:{call.lineno}"
            event = found.setdefault(name.value, Event())
            event.severities |= levels
            event.fields |= {keyword.arg for keyword in call.keywords if keyword.arg}
            event.has_more |= any(keyword.arg is None for keyword in call.keywords)
    return found


def _calls(path: Path) -> Iterator[tuple[ast.Call, set[str]]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and (levels := _levels(node.func)):
            yield node, levels


def _levels(function: ast.expr) -> set[str]:
    """`log.info`, or one of two: `(log.error if … else log.warning)`."""
    if isinstance(function, ast.IfExp):
        return _levels(function.body) | _levels(function.orelse)
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return set()
    return {function.attr} & _LEVELS if function.value.id in _LOGGERS else set()
