"""The rows of a JSONL file: one JSON object a line."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from nightshift.bulk.source.checkpoint import Checkpoint
from nightshift.bulk.source.column_names import ColumnNames
from nightshift.bulk.source.header import PHOTO_COLUMN
from nightshift.bulk.source.lines import Line
from nightshift.bulk.source.row import Row, RowBounds, refused
from nightshift.values.table_texts import TableText


class JsonlRows:
    """Takes a file's lines, and gives its rows."""

    def __init__(self, encoding: str, offset: int, bounds: RowBounds) -> None:
        self._encoding = encoding
        self._bounds = bounds
        self._number = 0
        # Where the next row begins: behind the last one that was given.
        self._offset = offset
        self._names = ColumnNames()

    @classmethod
    def resumed(cls, checkpoint: Checkpoint, bounds: RowBounds) -> "JsonlRows":
        """Goes on behind the checkpoint."""
        rows = cls(checkpoint.encoding, checkpoint.offset, bounds)
        rows._number = checkpoint.row
        rows._names = ColumnNames(checkpoint.header)
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
        problem = self._names.take(columns)
        return ({}, problem) if problem else (columns, None)
