"""What a user wrote moves no operator's cursor: all that the operators' programs print is cleaned in one place."""

import ast
import asyncio
import io
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.table import Table
from rich.text import Text

from cli import terminal
from cli.commands import confirmation, printing
from cli.commands.command import Refused

ROOT = Path(__file__).parents[2]
# Sets the clipboard; ends a line and overwrites it; C1's control sequence; shows backwards; hides; half a character.
HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\r\x9b2J\x08\u202egnp\u2066\u200b\u2028\x00\ud800"
PROGRAMS = ("cli", "deploy")


class Tty(io.StringIO):
    """A terminal that keeps what is printed on it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def is_clean(printed: str) -> bool:
    """Whether a terminal obeys nothing in it but rich's styles."""
    without_styles = "".join(
        part.partition("m")[2] if number else part for number, part in enumerate(printed.split("\x1b["))
    )
    return "\x1b]" not in printed and all(letter.isprintable() or letter == "\n" for letter in without_styles)


def begun(monkeypatch: pytest.MonkeyPatch) -> Tty:
    """The terminal of a program that has begun."""
    screen = Tty()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal.protect()
    return screen


def test_a_plain_line_is_cleaned_on_both_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is written; what a person may read stays as it is."""
    tty = begun(monkeypatch)
    sys.stdout.write(f"a{HOSTILE}b\n")
    sys.stderr.write(f"Müllsack 瓶\t{HOSTILE}\n")
    sys.stderr.writelines([HOSTILE])

    assert all(letter.isprintable() or letter in "\n\t" for letter in tty.getvalue())
    assert "Müllsack 瓶\t?" in tty.getvalue()


def test_tables_and_sentences_keep_their_style_and_lose_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells, titles, sentences, and what is printed as it stands."""
    tty = begun(monkeypatch)
    console = terminal.console()
    table = Table(f"Title {HOSTILE}")
    table.add_row(Text(HOSTILE))
    for printed in (table, Text(HOSTILE), f"sentence {HOSTILE}"):
        console.print(printed, style="red")

    assert "\x1b[31m" in tty.getvalue()
    assert is_clean(tty.getvalue())


def test_every_way_to_tell_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences, records, tables and growing rows for people; JSON for programs, keys included."""
    tty = begun(monkeypatch)
    at: Any = SimpleNamespace(now=None, settings=SimpleNamespace(project=HOSTILE))
    for tell in (printing.ForPeople(at), printing.ForPrograms(at)):
        fields: dict[str, Any] = {"name": HOSTILE, "of": {HOSTILE: 1}, HOSTILE: HOSTILE}
        tell.say(HOSTILE, style="bold")
        tell.line(fields)
        tell.record(HOSTILE, fields)
        tell.table(HOSTILE, [fields])
        tell.row({"check": HOSTILE, HOSTILE: HOSTILE}, {"check": 8}, is_first=True)

    assert is_clean(tty.getvalue())


async def test_a_question_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The uid that `erase` asks about is a user's choice, where an app mints its own tokens."""
    tty = begun(monkeypatch)

    async def no_answer() -> str:
        return ""

    monkeypatch.setattr(confirmation, "_line", no_answer)
    monkeypatch.setattr(sys, "stdin", Tty())
    options = type("Options", (), {"yes": False, "project": "p"})()

    with pytest.raises(Refused):
        await confirmation.confirm(options, f"Erases {HOSTILE} for ever.", typed=HOSTILE)

    assert "Erases ?" in tty.getvalue()
    assert is_clean(tty.getvalue())


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_program_begins_by_cleaning_what_it_prints(program: str) -> None:
    """The first statement of its `main`, and as a process: even the complaint about what was typed is clean."""
    parsed = ast.parse((ROOT / program / "__main__.py").read_text())
    begins = ROOT / "cli" / "commands" / "running.py" if program == "cli" else None
    tree = ast.parse(begins.read_text()) if begins else parsed
    [main] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert ast.unparse(main.body[1]) == "terminal.protect()"

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, HOSTILE[:-2]), cwd=ROOT, stdout=PIPE, stderr=PIPE
    )
    printed, complained = await process.communicate()

    assert process.returncode
    assert is_clean((printed + complained).decode())


def test_nothing_is_printed_past_the_one_place() -> None:
    """No other module makes a console, and none writes to the process's streams under another name."""
    forbidden = ("Console(", "sys.__stdout__", "sys.__stderr__", "os.write(", "/dev/tty", "open(1", "open(2")
    for program in PROGRAMS:
        for path in (ROOT / program).rglob("*.py"):
            if path != Path(terminal.__file__):
                assert not [word for word in forbidden if word in path.read_text()], path
