"""The first bytes of a file: what it is and in which encoding. Nothing is guessed.

An encoding is the one that the client names, or that of the byte order mark, or UTF-8. What can only be a workbook, an
archive or another encoding is refused, with a sentence that says what to do.
"""

from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nightshift.bulk.source.checkpoint import Format
from nightshift.bulk.source.lines import ENCODINGS, undecodable
from nightshift.bulk.source.row import refused
from nightshift.values.table_texts import TableText

# So many bytes decide it.
OPENING_BYTES: Final = 8

DELIMITERS: Final = (",", ";", "\t", "|")
_MARKS: Final = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UTF32_MARKS: Final = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_OTHER_FILES: Final = {
    b"PK\x03\x04": "a workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"\x1f\x8b": "compressed (gzip)",
    b"%PDF": "a PDF",
}
_ENDINGS: Final[dict[str, Format]] = {
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "txt": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}
_CONTENT_TYPES: Final[dict[str, Format]] = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/json": "jsonl",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
}


class SourceOptions(BaseModel):
    """What a client may say about its file: the fields of `source` beside `uri`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format | None = None
    encoding: str | None = Field(None, max_length=20)
    delimiter: str | None = Field(None, max_length=4)

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name.lower() not in ENCODINGS:
            raise ValueError(f"it is not one of {', '.join(ENCODINGS)}")
        return name and ENCODINGS[name.lower()]

    @field_validator("delimiter")
    @classmethod
    def _delimits(cls, delimiter: str | None) -> str | None:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter or "", delimiter)
        if delimiter is not None and delimiter not in DELIMITERS:
            raise ValueError("it is not a comma, a semicolon, a tab or |")
        return delimiter


def options_of(fields: object) -> SourceOptions:
    """Read a client's options. Raises JobRefused, whose sentence names what is wrong."""
    try:
        return SourceOptions.model_validate(fields)
    except ValidationError as invalid:
        found = "; ".join(
            f"source.{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"
            for error in invalid.errors(include_input=False, include_url=False, include_context=False)[:3]
        )
        raise refused(TableText.UNKNOWN_OPTIONS, found=found) from None


def format_of(options: SourceOptions, name: str, content_type: str | None) -> Format:
    """CSV or JSONL: as the client says, else by the name's ending, else by the content type, else CSV."""
    ending = name.rpartition("/")[2].rpartition(".")[2].lower()
    media_type = (content_type or "").partition(";")[0].strip()
    return options.format or _ENDINGS.get(ending) or _CONTENT_TYPES.get(media_type, "csv")


class Opened(NamedTuple):
    """A file's encoding, as Python names it, and the size of its byte order mark."""

    encoding: str
    mark_bytes: int


def opened(head: bytes, encoding: str | None) -> Opened:
    """Look at a file's first OPENING_BYTES, or at all of a smaller one.

    Args:
        encoding: what the client named, as Python calls it.

    Raises:
        JobRefused: it is empty, no text, or not in that encoding.
    """
    if not head:
        raise refused(TableText.EMPTY_FILE)
    for magic, kind in _OTHER_FILES.items():
        if head.startswith(magic):
            raise refused(TableText.NO_TEXT, kind=kind)
    if head.startswith(_UTF32_MARKS):
        raise refused(TableText.UTF32)
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    if encoding == "utf-16":
        if not mark or mark not in (b"\xff\xfe", b"\xfe\xff"):
            raise refused(TableText.NO_MARK)
        encoding = _MARKS[mark]
    if encoding is None:
        encoding = _MARKS[mark] if mark else "utf-8"
    if mark and _MARKS[mark] != encoding:
        if encoding == "utf-8":
            raise undecodable(encoding, 0, head[0])
        # In another encoding these bytes are letters, though unlikely ones.
        mark = b""
    if not encoding.startswith("utf-16") and b"\0" in head:
        raise refused(TableText.NUL_BYTE, place=head.index(0) + 1)
    return Opened(encoding, len(mark))
