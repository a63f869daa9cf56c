"""Plain words: a sentence names its actor, such as a trigger, the tick, a worker or an operator."""

import ast
import io
import os
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.part import ROOT

VAGUE = re.compile(r"\b(?:somebody|nobody|whoever|anybody|anyone|someone)\b", re.IGNORECASE)
_BEGINS_A_STATEMENT = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
# The first tells of the past; the others are written by npm.
_MOST_WORDS = 20
_MOST_WORDS_OF_A_DOCSTRING = 24
# It is written by `make bench`: its sentences are lists of figures.
_GENERATED = {"BENCHMARKS.md"}
_ITEM = re.compile(r"^(?:[-*]|\d+\.) ")
_EXCEPTED = {"CHANGELOG.md", "package-lock.json"}


def _files(*endings: str) -> Iterator[Path]:
    """The project's own files with these endings."""
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith(".") and name != "node_modules"]
        yield from (Path(folder, name) for name in names if name.endswith(endings) and name not in _EXCEPTED)


def _prose(source: str) -> Iterator[tuple[int, str]]:
    """The docstrings and comments of a Python source, each with the number of its first line."""
    before = tokenize.ENCODING
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_docstring = token.type == tokenize.STRING and before in _BEGINS_A_STATEMENT
        if token.type == tokenize.COMMENT or is_docstring:
            yield token.start[0], token.string
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            before = token.type


def _vague(path: Path) -> list[str]:
    """Each use of a vague word, as `file:line: word`; of a Python file, in docstrings and comments."""
    text = path.read_text()
    if not VAGUE.search(text):
        return []
    parts = _prose(text) if path.suffix == ".py" else enumerate(text.splitlines(), 1)
    return [
        f"{path.relative_to(ROOT)}:{first + part.count(chr(10), 0, found.start())}: {found.group()}"
        for first, part in parts
        for found in VAGUE.finditer(part)
    ]


@pytest.mark.parametrize("ending", [".py", ".md", ".toml", ".json"])
def test_every_sentence_names_its_actor(ending: str) -> None:
    """A reader learns which process or person acts, in each page, docstring and comment."""
    paths = list(_files(ending))

    assert paths
    assert not [use for path in paths for use in _vague(path)]


def test_a_vague_word_is_found_in_a_docstring_and_a_comment_and_not_in_a_value() -> None:
    """A search that finds nothing would let every sentence pass."""
    source = '"""Module."""\n\nword = "nobody"\n# Somebody acts.\ndef f():\n    """For\n    anyone."""\n'

    assert [line for line, part in _prose(source) if VAGUE.search(part)] == [4, 6]


def _sentences(page: str) -> Iterator[str]:
    """The sentences of a page: of its paragraphs, its lists' items and its tables' cells. Code is left out.

    A colon or a semicolon ends a thought as a full stop does.
    """
    parts: list[list[str]] = [[]]
    for line in map(str.strip, re.sub(r"```.*?```", "\n\n", page, flags=re.DOTALL).splitlines()):
        if not line or line.startswith(("#", "|")) or _ITEM.match(line):
            parts.append([])
        if line.startswith("|"):
            parts += [[cell] for cell in line.strip("|").split("|")] + [[]]
        elif not line.startswith("#"):
            parts[-1].append(_ITEM.sub("", line))
    for part in parts:
        plain = re.sub(r"`[^`]*`", "C", " ".join(part))
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", plain)
        yield from re.split(r"(?<=[.!?])\**\s+(?=[A-Z\"*(]|docs/)|(?<=[:;])\s", plain)


def _words(sentence: str) -> int:
    return sum(word != "C" for word in re.findall(r"[^\W_][\w'.,-]*", sentence))


def test_a_sentence_of_a_page_has_at_most_twenty_words() -> None:
    """It is understood at the first reading."""
    pages = [path for path in _files(".md") if path.name not in _GENERATED]
    long = [
        f"{path.relative_to(ROOT)}: {sentence}"
        for path in pages
        for sentence in _sentences(path.read_text())
        if _words(sentence) > _MOST_WORDS
    ]

    assert len(pages) > 10
    assert not long


def _docstrings(source: str) -> Iterator[str]:
    """The docstrings of a Python source; what may be raised, a list by its code, is left out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield (ast.get_docstring(node) or "").partition("\nRaises:")[0]


def test_a_sentence_of_a_docstring_of_the_functions_has_few_words() -> None:
    """A few more than a page's: it names what the code names. What is over twenty only becomes less."""
    long = [
        f"{path.relative_to(ROOT)}: {sentence}"
        for path in (ROOT / "functions").rglob("*.py")
        for text in _docstrings(path.read_text())
        for sentence in _sentences(text)
        if _words(sentence) > _MOST_WORDS_OF_A_DOCSTRING
    ]

    assert not long


def _long_lines(page: str) -> list[str]:
    """Lines of more than 120 characters; a row of a table, and code, are as long as they are."""
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return [line for line in prose.splitlines() if len(line) > 120 and not line.lstrip().startswith("|")]


def test_a_line_of_a_page_has_at_most_120_characters() -> None:
    """So a change of it is read beside the old one, also in a terminal."""
    pages = _files(".md")

    assert not [f"{path.relative_to(ROOT)}: {line}" for path in pages for line in _long_lines(path.read_text())]
    assert _long_lines(f"| {'x' * 120} |\n```sh\n{'x' * 121}\n```\n{'x' * 120}\n{'y' * 121}\n") == ["y" * 121]


def test_a_long_sentence_is_found_wherever_it_stands() -> None:
    """In a paragraph, an item and a cell; and no code, heading or block of code counts."""
    long, code = "word " * 21, "`code` " * 30
    page = f"# {long}\n\n{long}\n{code}\n\n- {long}\n\n| {long} | short |\n\n```sh\n{long}\n```\n"

    assert [_words(each) for each in _sentences(page) if _words(each) > _MOST_WORDS] == [21, 21, 21]
