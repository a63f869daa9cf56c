"""An answer as a table in the terminal, and all of them as a page."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from bench.measured import Measured, Measurement

WIDTH = 100
_LINE = 120
_COLUMNS = ("what", "measured", "floor", "number", "runs", "aim", "")


def show(console: Console, name: str, answer: Measured, seconds: float) -> None:
    """Print one answer."""
    table = Table(title=f"{name}: {answer.question}", title_justify="left", caption_justify="left", width=WIDTH)
    for place, column in enumerate(_COLUMNS):
        table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    for row in answer.measurements:
        table.add_row(*_cells(row), style="bold yellow" if row.misses else None)
    console.print()
    console.print(table)
    lefts = [_said_of_missed(row) for row in answer.measurements if row.misses]
    for note in (*answer.notes, *lefts):
        console.print(note, width=WIDTH, markup=False, highlight=False)
    console.print(f"({seconds:.0f} s)", style="dim")


def page(answers: Sequence[Measured], machine: Mapping[str, str]) -> str:
    """All answers in Markdown, with the machine that gave them."""
    return "\n".join(_page(answers, machine)) + "\n"


def _page(answers: Sequence[Measured], machine: Mapping[str, str]) -> Iterator[str]:
    missed = [row for answer in answers for row in answer.measurements if row.misses]
    aims = [row for answer in answers for row in answer.measurements if row.aim]
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`; each question is a file in `bench/`. A floor is measured in the same run, with the"
    yield "same clients against the same emulators. Each bench has checked its own result before it gave a number."
    yield ""
    yield f"{len(aims) - len(missed)} of {len(aims)} aims are met." + (" Missed:" if missed else "")
    yield ""
    if missed:
        for row in missed:
            yield from lines_of(_said_of_missed(row), indent="  ")
        yield ""
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d} on"
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {part} | {what} |" for part, what in machine.items())
    for answer in answers:
        yield ""
        yield f"## {answer.question}"
        yield ""
        yield f"| {' | '.join(_COLUMNS)} |"
        yield "|---|---:|---:|---:|---:|---:|---|"
        yield from (f"| {' | '.join(_cells(row))} |" for row in answer.measurements)
        for note in answer.notes:
            yield ""
            yield from [note] if note.startswith("|") else lines_of(note)


def lines_of(prose: str, indent: str = "") -> list[str]:
    """A paragraph, or an item, in a page's lines; `indent` is put before all but the first."""
    return textwrap.wrap(prose, _LINE, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def _said_of_missed(row: Measurement) -> str:
    return f"- **{row.name}**: {_number(row)}, aim {row.aim}. {row.left}".rstrip()


def _cells(row: Measurement) -> tuple[str, ...]:
    verdict = "" if row.aim is None else "missed" if row.misses else "met"
    return row.name, row.measured, row.floor, _number(row), _runs(row), str(row.aim or ""), verdict


def _number(row: Measurement) -> str:
    return "" if row.number is None else _short(row.number)


def _runs(row: Measurement) -> str:
    """How far the runs lie apart, of a number that has an aim."""
    if row.aim is None:
        return ""
    if row.is_computed:
        return "computed"
    return f"{_short(min(row.spread))} to {_short(max(row.spread))}" if row.spread else "one run"


def _short(number: float) -> str:
    return f"{number:,.3g}" if number < 100 else f"{number:,.0f}"
