"""A row of the result files: what the source said, and what became of it.

`results.jsonl` holds each value as it is. `results.csv` is for spreadsheets: in UTF-8 with a byte order mark, with the
source's columns as they were, then OWN_COLUMNS, then the result's fields. A text that a spreadsheet would run as a
formula is escaped. `errors.csv` has the same columns without the result's. It can be corrected and sent again: the
reader of sources knows it by OWN_COLUMNS, and restores the escaped texts.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json

from nightshift.bulk.source.row import OWN_COLUMNS
from nightshift.bulk.source.spreadsheet import escaped

# Excel reads a file as UTF-8 by this mark alone.
_MARK: Final = "\ufeff"


@dataclass(frozen=True, kw_only=True)
class EndedRow:
    """One row, as it ended."""

    row: int
    columns: Mapping[str, Any]
    # `completed`, `failed` or `cancelled`.
    status: str
    key: str | None = None
    result: Mapping[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None

    def json_line(self) -> bytes:
        """Its line in `results.jsonl`, with the newline."""
        fields: dict[str, Any] = {"row": self.row}
        if self.key is not None:
            fields["key"] = self.key
        fields["columns"] = self.columns
        fields["status"] = self.status
        if self.result is not None:
            fields["result"] = self.result
        if self.error_code is not None:
            fields["errorCode"] = self.error_code
            fields["errorMessage"] = self.error_message
        return to_json(fields) + b"\n"


class ResultTable:
    """The CSV files of one bulk job: its columns, and the lines of its rows."""

    def __init__(self, columns: Sequence[str], result_fields: Sequence[str], delimiter: str) -> None:
        """Take the source's columns and the result's fields, in their order.

        Args:
            delimiter: the source's. A semicolon stays one, since the spreadsheet that wrote it expects it. All else
                becomes a comma.
        """
        self._columns = [name for name in columns if name not in OWN_COLUMNS]
        self._result_fields = list(result_fields)
        self._delimiter = ";" if delimiter == ";" else ","

    def header(self, *, of_errors: bool = False) -> bytes:
        """The first line, with the byte order mark. A field of the result that is named as a column gets a prefix."""
        names = [*map(escaped, self._columns), *OWN_COLUMNS]
        if not of_errors:
            taken = set(self._columns)
            names += [escaped(f"result_{name}" if name in taken else name) for name in self._result_fields]
        return _MARK.encode() + self._line(names)

    def lines(self, rows: Sequence[EndedRow], *, of_errors: bool = False) -> bytes:
        """The lines of rows; of errors, of those rows alone that were not completed."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n")
        fields = () if of_errors else self._result_fields
        for row in rows:
            if of_errors and row.status == "completed":
                continue
            columns, result = row.columns, row.result or {}
            writer.writerow(
                [
                    *[_cell(columns.get(name)) for name in self._columns],
                    row.row,
                    row.status,
                    row.error_code or "",
                    escaped(row.error_message or ""),
                    *[_cell(result.get(name)) for name in fields],
                ]
            )
        return text.getvalue().encode()

    def _line(self, names: Sequence[str]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n").writerow(names)
        return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """A value as a cell: a text escaped, a number as it is, nothing as a blank, and all else as JSON."""
    if isinstance(value, str):
        return escaped(value)
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return to_json(value).decode()
