"""How far a source was read: all that another process needs to read on at the byte."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

Format = Literal["csv", "jsonl"]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A place between two rows."""

    # Of the next byte to read.
    offset: int
    # The number of the last row that was read.
    row: int
    format: Format
    # A name of Python's, without a byte order mark.
    encoding: str
    delimiter: str
    # The columns' names. Of JSONL, those that were seen so far.
    header: tuple[str, ...]
    # How many values a CSV row has. A results file of ours has more than the source's columns: those of OWN_COLUMNS.
    width: int = 0
    # Up to this offset a row counts only if it has every column: it lies behind a broken row.
    suspect_until: int = 0
    # How many broken rows were read again from their second line.
    rereads: int = 0

    def fields(self) -> dict[str, Any]:
        """As a document holds it."""
        return {**asdict(self), "header": list(self.header)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Checkpoint":
        """Read what `fields` gave."""
        return cls(**{**fields, "header": tuple(fields["header"]), "format": cast("Format", fields["format"])})
