"""How a command tells what it found: as tables of 80 columns for people, or as JSON, one object a line, for programs.

Both are made from the same fields, named as in the documents: `createdAt` is the column "Created". The form of their
content follows from its type:

| type | people | programs |
|---|---|---|
| datetime | `2026-11-22 10:53:07 UTC (12 min ago)`, in a table without the age | `"2026-11-22T10:53:07.123Z"` |
| timedelta | `12 min` | seconds |
| number in a field `…Usd` | `US$ 0.0123` | a number |
| mapping | `3 completed, 1 failed`: what is not zero | an object |
| None | `-` in a table, nothing in a record | `null` |
"""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from cli import terminal
from nightshift.values.told import clock, dollars, duration, moment

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nightshift.runtime import Runtime

# Which fields are in which column, one under the other.
Columns = Mapping[str, Sequence[str]]

_LONGEST_ID: Final = 40
# Where a field's own words do not read well.
_PLAIN_WORDS: Final = {"expireAt": "expires", "userId": "user", "jobCount": "jobs", "remoteId": "provider's id"}
# The client library itself reads it.
_EMULATOR: Final = "FIRESTORE_EMULATOR_HOST"


class Printer(Protocol):
    """Where a command tells."""

    def say(self, sentence: str, *, style: str = "") -> None:
        """A sentence for people; programs read it from the fields."""
        ...

    def line(self, fields: Mapping[str, Any]) -> None:
        """One object for programs."""
        ...

    def row(self, cells: Mapping[str, str], widths: Mapping[str, int], *, is_first: bool) -> None:
        """One row, for people, of a table that is printed row by row; the column without a width gets the rest."""
        ...

    def record(self, kind: str, fields: Mapping[str, Any]) -> None:
        """One thing and its fields: for people one under the other, for programs `{kind: fields}`."""
        ...

    def table(self, kind: str, rows: Sequence[Mapping[str, Any]], columns: Columns | None = None) -> None:
        """Things of one kind: for people a table, for programs `{kind: fields}` each.

        Args:
            columns: for people; None = each field of the first row is one.
        """
        ...


def printing(runtime: "Runtime", *, as_json: bool) -> Printer:
    """Where to tell, on standard output. The first line names the project: many an operator has two."""
    return ForPrograms(runtime) if as_json else ForPeople(runtime)


def tell_programs(fields: Mapping[str, Any]) -> None:
    """One JSON object on a line."""
    sys.stdout.write(json.dumps(fields, default=_for_programs) + "\n")
    sys.stdout.flush()


class ForPrograms:
    """JSON, one object a line, each as soon as it is known."""

    def __init__(self, runtime: "Runtime") -> None:
        emulator = os.environ.get(_EMULATOR)
        self._heading: dict[str, Any] | None = {"projectId": runtime.settings.project, "emulator": emulator}

    def say(self, sentence: str, *, style: str = "") -> None:
        """See `Printer`."""

    def row(self, cells: Mapping[str, str], widths: Mapping[str, int], *, is_first: bool) -> None:
        """See `Printer`."""

    def line(self, fields: Mapping[str, Any]) -> None:
        """See `Printer`."""
        if self._heading:
            heading, self._heading = self._heading, None
            tell_programs({"project": heading})
        tell_programs(fields)

    def record(self, kind: str, fields: Mapping[str, Any]) -> None:
        """See `Printer`."""
        self.line({kind: fields})

    def table(self, kind: str, rows: Sequence[Mapping[str, Any]], columns: Columns | None = None) -> None:
        """See `Printer`."""
        for fields in rows:
            self.line({kind: fields})


def _for_programs(content: Any) -> Any:
    if isinstance(content, datetime):
        return content.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(content, timedelta):
        return round(content.total_seconds(), 3)
    # What a user wrote into a document may be anything.
    return str(content)


class ForPeople:
    """Tables and sentences, as wide as the terminal, or 80 columns."""

    def __init__(self, runtime: "Runtime") -> None:
        self._now = runtime.now
        self._plain_console = terminal.console()
        emulator = os.environ.get(_EMULATOR)
        self._heading = f"Project {runtime.settings.project}{f', on the emulator at {emulator}' if emulator else ''}"

    @property
    def _console(self) -> "Console":
        """Where to print; what is printed first names the project."""
        if self._heading:
            heading, self._heading = self._heading, ""
            self._plain_console.print(heading, style="dim")
        return self._plain_console

    def say(self, sentence: str, *, style: str = "") -> None:
        """See `Printer`."""
        self._console.print(sentence, style=style)

    def line(self, fields: Mapping[str, Any]) -> None:
        """See `Printer`."""

    def row(self, cells: Mapping[str, str], widths: Mapping[str, int], *, is_first: bool) -> None:
        """See `Printer`."""
        # A table of its own, so that it can be printed at once; fixed widths keep the rows in line.
        table = _table(show_header=is_first, expand=True)
        for name in cells:
            table.add_column(_title(name), width=widths.get(name), ratio=None if name in widths else 1, overflow="fold")
        table.add_row(*map(_text, cells.values()))
        self._console.print(table)

    def record(self, kind: str, fields: Mapping[str, Any]) -> None:
        """See `Printer`."""
        there = {name: content for name, content in fields.items() if content is not None}
        if not there:
            return
        table = _table(show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, content in there.items():
            table.add_row(_title(name), _text(self._told(name, content)))
        self._console.print()
        self._console.print(_title(kind), style="bold underline")
        self._console.print(table)

    def table(self, kind: str, rows: Sequence[Mapping[str, Any]], columns: Columns | None = None) -> None:
        """See `Printer`."""
        if not rows:
            return
        columns = columns or {_title(name): [name] for name in rows[0]}
        table = _table(show_header=True)
        columns = {
            title: names
            for title, names in columns.items()
            if any(fields[name] is not None for fields in rows for name in names)
        }
        for title, names in columns.items():
            is_number = all(isinstance(fields[names[0]], int | float | None) for fields in rows)
            widest = max(len(str(fields[name])) for fields in rows for name in names)
            # An id is easier to copy from one line; what is too long for that is folded, never cut.
            is_id = isinstance(rows[0][names[0]], str) and widest <= _LONGEST_ID
            table.add_column(
                title,
                justify="right" if is_number else "left",
                overflow="fold",
                no_wrap=is_number or is_id,
                min_width=len(title),
            )
        for fields in rows:
            table.add_row(*(_text(self._cell({name: fields[name] for name in names})) for names in columns.values()))
        self._console.print()
        self._console.print(table)

    def _cell(self, fields: Mapping[str, Any]) -> str:
        """Fields one under the other; those that are not there are left out. A time stays on its line."""
        there = (
            clock(content) if isinstance(content, datetime) else self._told(name, content)
            for name, content in fields.items()
            if content is not None
        )
        return "\n".join(there) or "-"

    def _told(self, name: str, content: Any) -> str:
        if isinstance(content, datetime):
            return moment(content, self._now())
        if isinstance(content, Mapping):
            parts = [f"{self._told(key, inner)} {_words(key)}" for key, inner in content.items() if inner]
            return ", ".join(parts) or "none"
        if name.endswith("Usd") and isinstance(content, int | float):
            return dollars(content)
        return _plain(content)


def _plain(content: Any) -> str:
    match content:
        case bool():
            return "yes" if content else "no"
        case float() | int():
            return f"{content:,}"
        case timedelta():
            return duration(content)
        case _:
            return str(content)


def counted(number: int, one: str, many: str = "") -> str:
    """A number and what it counts: `1 job`, `1,000 jobs`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _words(name: str) -> str:
    """A field's name as words: `oldestQueuedAt` is "oldest queued"; `costUsd`, "cost"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return _PLAIN_WORDS.get(name) or re.sub(r" (at|usd)$", "", words)


def _title(name: str) -> str:
    words = _words(name)
    return words[:1].upper() + words[1:]


def _table(*, show_header: bool, expand: bool = False) -> "Table":
    from rich.table import Table

    return Table(box=None, show_header=show_header, expand=expand, padding=(0, 1))


def _text(cell: str) -> Any:
    from rich.text import Text

    # What stands in brackets is no markup. A cell is cleaned here as well, so that its width is that of its text.
    return Text(terminal.clean(cell))
