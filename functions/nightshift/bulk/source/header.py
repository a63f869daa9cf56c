"""The header of a CSV file: its delimiter, and the names of its columns."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from nightshift.bulk.source.opening import DELIMITERS
from nightshift.bulk.source.row import MAX_COLUMNS, MAX_HEADER_BYTES, MAX_NAME_CHARACTERS, OWN_COLUMNS, refused
from nightshift.bulk.source.spreadsheet import unescaped
from nightshift.values.table_texts import TableText

_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
# Excel reads and writes it as a first line of its own.
_SEPARATOR_LINE: Final = re.compile(r'"?sep=([,;\t|])"?\s*', re.IGNORECASE)
# A list of photos has no header.
PHOTO_COLUMN: Final = "imageUri"


class Header(NamedTuple):
    """How the rows below it are read."""

    names: tuple[str, ...]
    delimiter: str
    # Values in a row. More than there are names in a file of ours.
    width: int
    # False for a list of photos, whose first line is its first row.
    is_a_line: bool = True


def separator_of(line: str) -> str | None:
    """The delimiter that a line `sep=;` names; None for any other line."""
    found = _SEPARATOR_LINE.fullmatch(line)
    return found and found[1]


def read_header(text: str, delimiter: str | None) -> Header:
    """Read the header's text, which may hold quoted line ends.

    Args:
        delimiter: None = the one that makes the most columns; the first of DELIMITERS if several do.

    Raises:
        JobRefused: it cannot be read, or its names cannot be told apart.
    """
    if text.lstrip('"').startswith("gs://"):
        return Header((PHOTO_COLUMN,), delimiter or ",", 1, is_a_line=False)
    delimiter = delimiter or _most_frequent(_QUOTED.sub("", text))
    try:
        # One record: stray quotes may have taken the line below for a part of it.
        (names,) = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        raise refused(TableText.HEADER_INVALID) from None
    names = [name.strip() for name in names]
    width = len(names)
    for place in range(width - len(OWN_COLUMNS) + 1):
        if tuple(names[place : place + len(OWN_COLUMNS)]) == OWN_COLUMNS:
            # A file of ours, whose texts were escaped.
            names = [unescaped(name) for name in names[:place]]
            return Header(_named(names), delimiter, width)
    while names and not names[-1]:
        names.pop()
    return Header(_named(names), delimiter, len(names))


def _most_frequent(text: str) -> str:
    return max(DELIMITERS, key=text.count)


def _named(names: Sequence[str]) -> tuple[str, ...]:
    """The names, of which an empty one becomes `column_N`. Raises JobRefused."""
    if not names:
        raise refused(TableText.HEADER_UNNAMED)
    if len(names) > MAX_COLUMNS:
        raise refused(TableText.HEADER_WIDE, columns=len(names), most=MAX_COLUMNS)
    named = tuple(name or f"column_{number}" for number, name in enumerate(names, 1))
    for number, name in enumerate(named, 1):
        if len(name) > MAX_NAME_CHARACTERS:
            raise refused(TableText.NAME_LONG, column=number, characters=len(name), most=MAX_NAME_CHARACTERS)
    if len(set(named)) < len(named):
        twice = next(name for number, name in enumerate(named) if name in named[:number])
        raise refused(TableText.NAME_TWICE, name=repr(twice))
    if (size := len("".join(named).encode())) > MAX_HEADER_BYTES:
        raise refused(TableText.HEADER_NAMES_LONG, size=size, most=MAX_HEADER_BYTES)
    return named
