"""A row of a source, and the bounds that it keeps."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from nightshift.errors import JobRefused
from nightshift.values.table_texts import TableText

MAX_COLUMNS: Final = 1_000
MAX_NAME_CHARACTERS: Final = 200
# All names together, in UTF-8: they are stored in the bulk job's document.
MAX_HEADER_BYTES: Final = 32_768
MAX_SOURCE_BYTES: Final = 100 * 1024 * 1024

# What a file of ours has after the source's columns. Such a file can be corrected and sent again.
OWN_COLUMNS: Final = ("_row", "_status", "_error_code", "_error")


@dataclass(frozen=True, kw_only=True)
class RowBounds:
    """How far a broken file is read."""

    # A row, in the file's bytes, with its line end. Python's csv module has the same bound for one field.
    row_bytes: int = 131_072
    # How often the lines behind a broken row are read again as rows.
    rereads: int = 100

    @property
    def too_long(self) -> str:
        """What is wrong with a longer row, as a sentence for the person."""
        return TableText.ROW_LONG.say(most=self.row_bytes)


class Row(NamedTuple):
    """One row. The first below the header has number 1; a blank line is no row."""

    number: int
    # A short CSV row lacks its last columns. Texts in CSV, JSON values in JSONL.
    columns: dict[str, Any]
    # The offset of the byte after the row, in the source.
    end: int
    # Why the row cannot be answered, as a sentence for the person; None if it can be.
    problem: str | None


def refused(text: TableText, **values: str | int) -> JobRefused:
    """The refusal of a whole source; the sentence says what to do."""
    return JobRefused("invalid_input", text.say(**values))
