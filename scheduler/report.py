"""What the commands print: tables for a person, or JSON, one object a line, for a program."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from cli import terminal
from scheduler.listing import Listed
from scheduler.step import Action, PlannedStep

if TYPE_CHECKING:
    from rich.table import Table

_STYLES: Final = {
    Action.CREATE: "green",
    Action.CHANGE: "yellow",
    Action.SAME: "dim",
    Action.REMOVE: "red",
    Action.LEFT: "dim",
}
_DONE: Final = {Action.CREATE: "created", Action.CHANGE: "changed", Action.REMOVE: "removed"}


class SyncReport(Protocol):
    """Where a command tells what it found and did."""

    def plan(self, steps: Sequence[PlannedStep]) -> None:
        """Tell what is to be done."""
        ...

    def end(self, done: Mapping[Action, int] | None) -> None:
        """Tell that all of it was done; None = nothing was."""
        ...

    def listing(self, listed: Sequence[Listed]) -> None:
        """Tell what is there."""
        ...

    def told(self, name: str, sentence: str) -> None:
        """Tell what was done about one schedule."""
        ...


class JsonReport:
    """One object a line."""

    def plan(self, steps: Sequence[PlannedStep]) -> None:
        """See `SyncReport`."""
        for step in steps:
            changes = {name: {"old": change.old, "new": change.new} for name, change in step.changes.items()}
            _write_line(
                {
                    "action": step.action,
                    "kind": step.kind,
                    "name": step.name,
                    **({"changes": changes} if changes else {}),
                    **({"note": step.note} if step.note else {}),
                }
            )

    def end(self, done: Mapping[Action, int] | None) -> None:
        """See `SyncReport`."""
        _write_line({"summary": {said: (done or {}).get(action, 0) for action, said in _DONE.items()}})

    def listing(self, listed: Sequence[Listed]) -> None:
        """See `SyncReport`."""
        for one in listed:
            _write_line(
                {
                    "name": one.name,
                    "schedule": one.schedule,
                    "timeZone": one.time_zone,
                    "topic": one.topic,
                    "state": one.state,
                    "lastRun": one.last_run.isoformat() if one.last_run else None,
                    "nextRun": one.next_run.isoformat() if one.next_run else None,
                }
            )

    def told(self, name: str, sentence: str) -> None:
        """See `SyncReport`."""
        _write_line({"name": name, "told": sentence})


class TableReport:
    """Tables and sentences."""

    def __init__(self) -> None:
        self._console = terminal.console()

    def plan(self, steps: Sequence[PlannedStep]) -> None:
        """See `SyncReport`."""
        from rich.text import Text

        table = _table("Plan", "What", "Name", "Details")
        for step in steps:
            details = [f"{name}: {change.old or '(none)'} → {change.new}" for name, change in step.changes.items()]
            details += [step.note] if step.note else []
            # As Text: what stands in brackets is no markup.
            cells = (step.action, step.kind, step.name, "\n".join(details))
            table.add_row(*(Text(cell) for cell in cells), style=_STYLES[step.action])
        self._console.print(table)

    def end(self, done: Mapping[Action, int] | None) -> None:
        """See `SyncReport`."""
        if done is None:
            self._console.print("Nothing was changed.")
            return
        counts = ", ".join(f"{done[action]} {said}" for action, said in _DONE.items() if done.get(action))
        self._console.print(f"Done: {counts}." if counts else "All is as declared; there was nothing to do.")

    def listing(self, listed: Sequence[Listed]) -> None:
        """See `SyncReport`."""
        from rich.text import Text

        table = _table("Schedule", "When", "Topic", "State", "Last run", "Next run")
        for one in listed:
            runs = (f"{run:%Y-%m-%d %H:%M:%S} UTC" if run else "none" for run in (one.last_run, one.next_run))
            cells = (one.name, f"{one.schedule} {one.time_zone}", one.topic, one.state, *runs)
            table.add_row(*(Text(cell) for cell in cells))
        self._console.print(table)

    def told(self, name: str, sentence: str) -> None:
        """See `SyncReport`."""
        self._console.print(f"{name}: {sentence}.")


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 1))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _write_line(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
