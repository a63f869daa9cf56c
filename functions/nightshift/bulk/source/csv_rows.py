"""The rows of a CSV file, by Python's csv module in its strict mode.

What is not valid is one failed row, and reading goes on. Where it goes on has to be right, since each row is paid:

- A broken row that lies on one line ends with that line.
- A broken row over several lines began with a stray quote, or the quote's own text is broken. Its first line fails.
  The others are read again as rows. Up to where the break was noticed they count only with every column, three at
  least, and no quote in them. So a stray quote swallows no good rows, and no half of a text is taken for a row.
- After `RowBounds.rereads` such rows, the next ones fail with all their lines. So hostile files take linear time.

The same bytes give the same rows, however they are cut into chunks and wherever reading was resumed.
"""

import csv
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final

from nightshift.bulk.source.checkpoint import Checkpoint
from nightshift.bulk.source.header import Header, read_header, separator_of
from nightshift.bulk.source.lines import Line
from nightshift.bulk.source.row import Row, RowBounds, refused
from nightshift.bulk.source.spreadsheet import unescaped
from nightshift.values.table_texts import TableText
from nightshift.values.text import cleaned

_SHOWN_CHARACTERS: Final = 60
_text_of = itemgetter(0)

_NOT_CLOSED: Final = TableText.ROW_NOT_CLOSED.say()
_STRAY_QUOTE: Final = TableText.ROW_STRAY_QUOTE.say()
_HAS_NUL: Final = TableText.ROW_HAS_NUL.say()
_BEHIND: Final = TableText.ROW_BEHIND.say()
_COLUMNS_OF_A_SURE_ROW: Final = 3
# How the csv module calls a text whose closing quote has not come yet.
_OPEN: Final = "unexpected end of data"


class CsvRows:
    """Takes a file's lines, and gives its rows."""

    def __init__(self, encoding: str, offset: int, delimiter: str | None, bounds: RowBounds) -> None:
        self._encoding = encoding
        self._bounds = bounds
        self._header: Header | None = None
        self._delimiter = delimiter
        self._number = 0
        # Where the next row begins: behind the last one that was given.
        self._offset = offset
        self._suspect_until = 0
        self._rereads = 0
        # Lines of which no row was made yet.
        self._waiting: list[Line] = []

    @classmethod
    def resumed(cls, checkpoint: Checkpoint, bounds: RowBounds) -> "CsvRows":
        """Goes on behind the checkpoint."""
        rows = cls(checkpoint.encoding, checkpoint.offset, checkpoint.delimiter, bounds)
        rows._header = Header(checkpoint.header, checkpoint.delimiter, checkpoint.width)
        rows._number = checkpoint.row
        rows._suspect_until = checkpoint.suspect_until
        rows._rereads = checkpoint.rereads
        return rows

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The place behind the last row that was given; None before the header was read."""
        return self._header and Checkpoint(
            offset=self._offset,
            row=self._number,
            format="csv",
            encoding=self._encoding,
            delimiter=self._header.delimiter,
            header=self._header.names,
            width=self._header.width,
            suspect_until=self._suspect_until,
            rereads=self._rereads,
        )

    def feed(self, lines: list[Line], *, is_last: bool) -> Iterator[Row]:
        """The rows that end in the next lines. Raises JobRefused if the header cannot be used."""
        lines = self._waiting + lines
        self._waiting = []
        if self._header is None:
            lines = self._read_header(lines, is_last=is_last)
        if self._header is None:
            self._waiting = lines
            return
        yield from self._rows(lines, self._header, is_last=is_last)

    def _read_header(self, lines: list[Line], *, is_last: bool) -> list[Line]:
        """Read the header if it is whole; returns the lines of which no use was made."""
        text, size = "", 0
        for at, (line, line_bytes) in enumerate(lines):
            size += line_bytes
            if line is None or size > self._bounds.row_bytes:
                raise refused(TableText.HEADER_LONG, most=self._bounds.row_bytes)
            if not text and not line.strip():
                continue
            if not text and (delimiter := separator_of(line)):
                self._delimiter = self._delimiter or delimiter
                continue
            text += line
            if text.count('"') % 2 == 0:
                self._header = read_header(text, self._delimiter)
                self._offset += size if self._header.is_a_line else size - line_bytes
                return lines[at + self._header.is_a_line :]
        if is_last and text:
            raise refused(TableText.HEADER_OPEN)
        return lines

    def _rows(self, lines: list[Line], header: Header, *, is_last: bool) -> Iterator[Row]:
        """The rows of these lines; those of an unfinished row are kept."""
        ends = list(accumulate((size for _, size in lines), initial=self._offset))
        may_have_nul = any("\0" in text for text, _ in lines if text)
        names, is_ours = header.names, header.width > len(header.names)
        at = 0
        # Lines that are too long are no part of any row; between them the csv module reads.
        for stop in (*(at for at, (text, _) in enumerate(lines) if text is None), len(lines)):
            while at < stop:
                records = csv.reader(map(_text_of, lines[at:stop]), delimiter=header.delimiter, strict=True)
                first, fault = at, ""
                try:
                    for record in records:
                        start, behind = ends[at], first + records.line_num
                        if ends[behind] - start > self._bounds.row_bytes:
                            break
                        at = behind
                        if any(record):
                            has_nul = may_have_nul and any("\0" in value for value in record)
                            problem = _HAS_NUL if has_nul else self._problem(record, header.width, start)
                            if is_ours:
                                record = [unescaped(value) for value in record]  # noqa: PLW2901 - the same, restored
                            yield self._row(dict(zip(names, record, strict=False)), ends[behind], problem)
                    else:
                        continue
                except csv.Error as error:
                    fault = str(error)
                behind = first + records.line_num
                is_open = fault == _OPEN
                is_longer = ends[behind] - ends[at] > self._bounds.row_bytes or (is_open and stop < len(lines))
                if is_open and not is_longer and not is_last:
                    self._waiting, self._offset = lines[at:], ends[at]
                    return
                behind = self._behind_broken(ends, at, behind, is_longer=is_longer)
                # What it says comes back in the first column, so that it can be corrected.
                raw = "".join(text or "" for text, _ in lines[at:behind]).rstrip("\r\n")
                problem = _STRAY_QUOTE if fault and not is_open and not is_longer else _NOT_CLOSED
                yield self._row({names[0]: raw}, ends[behind], problem)
                at = behind
            if at == stop < len(lines):
                at = stop + 1
                yield self._row({}, ends[at], self._bounds.too_long)
        self._offset = ends[-1]

    def _behind_broken(self, ends: list[int], at: int, behind: int, *, is_longer: bool) -> int:
        """Behind which line a broken row ends. It begins with line `at`; its fault was noticed before line `behind`."""
        if behind == at + 1 and not is_longer:
            return behind
        limit = ends[at] + self._bounds.row_bytes
        # However many lines were there when it was noticed.
        behind = bisect_right(ends, limit) if is_longer else behind
        if self._rereads < self._bounds.rereads:
            self._rereads += 1
            self._suspect_until = max(self._suspect_until, limit if is_longer else ends[behind])
            return at + 1
        if is_longer:
            self._suspect_until = ends[behind] + self._bounds.row_bytes
        return behind

    def _problem(self, record: list[str], width: int, start: int) -> str | None:
        """What is wrong with a record that begins at `start`."""
        if len(record) > width and any(record[width:]):
            return _too_many(record, width)
        if start < self._suspect_until and not _is_surely_a_row(record, width):
            if len(record) != width:
                # The broken row may be longer than the bound.
                self._suspect_until = max(self._suspect_until, start + self._bounds.row_bytes)
            return _BEHIND
        return None

    def _row(self, columns: dict[str, Any], end: int, problem: str | None) -> Row:
        self._number += 1
        self._offset = end
        return Row(self._number, columns, end, problem)


def _is_surely_a_row(record: list[str], width: int) -> bool:
    """Whether it can hardly be a part of another row's text, which has few delimiters and perhaps the closing quote."""
    return len(record) == width >= _COLUMNS_OF_A_SURE_ROW and not any('"' in value for value in record)


def _too_many(record: list[str], width: int) -> str:
    surplus = cleaned(", ".join(record[width:]))
    if len(surplus) > _SHOWN_CHARACTERS:
        surplus = f"{surplus[: _SHOWN_CHARACTERS - 1]}…"
    return TableText.ROW_WIDE.say(values=len(record), columns=width, surplus=surplus)
