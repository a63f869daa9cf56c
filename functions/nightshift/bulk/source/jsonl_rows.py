"""The rows of a JSONL file: one JSON object a line."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from nightshift.bulk.source.checkpoint import Checkpoint
from nightshift.bulk.source.header import PHOTO_COLUMN
from nightshift.bulk.source.lines import Line
from nightshift.bulk.source.row import MAX_COLUMNS, MAX_HEADER_BYTES, MAX_NAME_CHARACTERS, Row, RowBounds, refused
from nightshift.values.table_texts import TableText


class JsonlRows:
    """Takes a file's lines, and gives its rows."""

    def __init__(self, encoding: str, offset: int, bounds: RowBounds) -> None:
        self._encoding = encoding
        self._bounds = bounds
        self._number = 0
        # Where the next row begins: behind the last one that was given.
        self._offset = offset
        # The columns seen so far, in the order of their first use; with their names' bytes.
        self._names: dict[str, None] = {}
        self._names_bytes = 0

    @classmethod
    def resumed(cls, checkpoint: Checkpoint, bounds: RowBounds) -> "JsonlRows":
        """Goes on behind the checkpoint."""
        rows = cls(checkpoint.encoding, checkpoint.offset, bounds)
        rows._number = checkpoint.row
        rows._names = dict.fromkeys(checkpoint.header)
        rows._names_bytes = sum(len(name.encode()) for name in checkpoint.header)
        return rows

    @property
    def checkpoint(self) -> Checkpoint:
        """The place behind the last row that was given."""
        return Checkpoint(
            offset=self._offset,
            row=self._number,
            format="jsonl",
            encoding=self._encoding,
            delimiter=",",
            header=tuple(self._names),
            width=len(self._names),
        )

    def feed(self, lines: list[Line], *, is_last: bool) -> Iterator[Row]:
        """The rows on the next lines. Raises JobRefused for a JSON array."""
        end = self._offset
        for text, size in lines:
            end += size
            if text is not None and not text.strip():
                self._offset = end
                continue
            if self._number == 0 and text is not None and text.lstrip().startswith("["):
                raise refused(TableText.JSON_ARRAY)
            columns, problem = ({}, self._bounds.too_long) if text is None else self._read(text)
            self._number += 1
            self._offset = end
            yield Row(self._number, columns, end, problem)

    def _read(self, text: str) -> tuple[dict[str, Any], str | None]:
        try:
            columns = from_json(text, allow_inf_nan=False)
        except ValueError as wrong:
            return {}, TableText.LINE_INVALID.say(wrong=str(wrong))
        if isinstance(columns, str) and columns.startswith("gs://"):
            columns = {PHOTO_COLUMN: columns}
        if not isinstance(columns, dict):
            return {}, TableText.LINE_NO_OBJECT.say()
        if not columns.keys() <= self._names.keys() and (problem := self._take(columns)):
            return {}, problem
        return columns, None

    def _take(self, columns: dict[str, Any]) -> str | None:
        """Remember the columns that are new; returns why they cannot be taken."""
        new = [name for name in columns if name not in self._names]
        if any(len(name) > MAX_NAME_CHARACTERS for name in new):
            return TableText.LINE_NAME_LONG.say(most=MAX_NAME_CHARACTERS)
        new_bytes = sum(len(name.encode()) for name in new)
        if len(self._names) + len(new) > MAX_COLUMNS or self._names_bytes + new_bytes > MAX_HEADER_BYTES:
            return TableText.LINE_COLUMNS.say(columns=MAX_COLUMNS, most=MAX_HEADER_BYTES)
        self._names.update(dict.fromkeys(new))
        self._names_bytes += new_bytes
        return None
