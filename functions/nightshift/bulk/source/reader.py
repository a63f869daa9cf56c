"""Bytes become rows: the way into this room.

A reader takes a file's bytes in chunks of any size and gives rows as they end. It does no I/O. Its `checkpoint` after
a row lets another reader, in another process, go on with the byte behind that row and give the same rows.
"""

from collections.abc import Iterator
from typing import Final

from nightshift.bulk.source.checkpoint import Checkpoint, Format
from nightshift.bulk.source.csv_rows import CsvRows
from nightshift.bulk.source.jsonl_rows import JsonlRows
from nightshift.bulk.source.lines import LineReader
from nightshift.bulk.source.opening import OPENING_BYTES, SourceOptions, opened
from nightshift.bulk.source.row import Row, RowBounds, refused
from nightshift.values.table_texts import TableText

# A chunk is read in such portions: of one, all lines are in memory.
_PORTION_BYTES: Final = 256 * 1024


class SourceReader:
    """Reads one source."""

    def __init__(
        self,
        file_format: Format,
        options: SourceOptions,
        checkpoint: Checkpoint | None = None,
        bounds: RowBounds = RowBounds(),  # noqa: B008 - it never changes
    ) -> None:
        """Begin at the first byte, or behind the checkpoint."""
        self._bounds = bounds
        self._format = file_format
        self._options = options
        self._head = b""
        self._lines: LineReader | None = None
        self._rows: CsvRows | JsonlRows | None = None
        if checkpoint:
            self._lines = LineReader(checkpoint.encoding, checkpoint.offset, bounds)
            is_csv = checkpoint.format == "csv"
            self._rows = (CsvRows if is_csv else JsonlRows).resumed(checkpoint, bounds)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The place behind the last row that was given; None before the header was read."""
        return self._rows.checkpoint if self._rows else None

    def feed(self, chunk: bytes) -> Iterator[Row]:
        """The rows that end in the next bytes; to be read to their end before the next call.

        Raises:
            JobRefused: invalid_input, if the file as a whole cannot be used.
        """
        for start in range(0, len(chunk), _PORTION_BYTES):
            yield from self._feed(chunk[start : start + _PORTION_BYTES], is_last=False)

    def end(self) -> Iterator[Row]:
        """The rows that the end of the file ends. Raises as `feed` does; also if there was no row at all."""
        yield from self._feed(b"", is_last=True)
        if self.checkpoint is None:
            raise refused(TableText.EMPTY_FILE)
        if self.checkpoint.row == 0:
            raise refused(TableText.NO_ROWS)

    def _feed(self, portion: bytes, *, is_last: bool) -> Iterator[Row]:
        if self._lines is None or self._rows is None:
            self._head += portion
            if len(self._head) < OPENING_BYTES and not is_last:
                return
            encoding, mark_bytes = opened(self._head, self._options.encoding)
            self._lines = LineReader(encoding, mark_bytes, self._bounds)
            if self._format == "csv":
                self._rows = CsvRows(encoding, mark_bytes, self._options.delimiter, self._bounds)
            else:
                self._rows = JsonlRows(encoding, mark_bytes, self._bounds)
            portion, self._head = self._head[mark_bytes:], b""
        yield from self._rows.feed(self._lines.feed(portion, is_last=is_last), is_last=is_last)
