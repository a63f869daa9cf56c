"""The lines of a stream of bytes in an encoding, each with its size in bytes.

A line ends in LF, CR LF or CR, as in spreadsheets of all systems. Bytes are decoded strictly and never replaced. In
each encoding of `ENCODINGS` the bytes of LF and CR stand for themselves; UTF-16 is cut by its units.
"""

import io
from typing import Final

from nightshift.bulk.source.row import RowBounds, refused
from nightshift.errors import JobRefused
from nightshift.values.table_texts import TableText

# Names that a client may give, and Python's. All of them but UTF-16 extend ASCII, and none keeps a state.
ENCODINGS: Final = {
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    **{f"windows-{page}": f"cp{page}" for page in range(1250, 1259)},
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    "macintosh": "mac-roman",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "shift_jis": "cp932",
    "euc-jp": "euc-jp",
    "gbk": "gbk",
    "gb18030": "gb18030",
    "big5": "big5",
    "euc-kr": "cp949",
}

# A line's text; None = longer than a row may be. And its size in bytes.
Line = tuple[str | None, int]


class LineReader:
    """Finds lines. Memory holds one chunk, and of an unfinished line as much as a row may have."""

    def __init__(self, encoding: str, offset: int, bounds: RowBounds) -> None:
        self._encoding = encoding
        self._max_row_bytes = bounds.row_bytes
        self._unit_bytes = 2 if encoding.startswith("utf-16") else 1
        self._line_end = "\n".encode(encoding)
        # Where the unfinished line begins in the source. Of its bytes, the first `_skipped` are not kept.
        self._offset = offset
        self._skipped = 0
        self._rest = b""

    def feed(self, chunk: bytes, *, is_last: bool = False) -> list[Line]:
        """The lines that end in the stream's next bytes.

        Raises:
            JobRefused: bytes that the encoding does not have.
        """
        ended = self._split(self._rest + chunk)
        # A CR at the end may be one half of a line end.
        self._rest = b"" if is_last or not ended or self._is_ended(ended[-1]) else ended.pop()
        lines = [self._line(line) for line in ended]
        if len(self._rest) > self._max_row_bytes:
            kept = self._unit_bytes + len(self._rest) % self._unit_bytes
            self._skipped += len(self._rest) - kept
            self._rest = self._rest[-kept:]
        return lines

    def _split(self, data: bytes) -> list[bytes]:
        if self._unit_bytes == 1:
            # Of bytes, unlike of text, these are the ends of LF, CR LF and CR alone.
            return data.splitlines(keepends=True)
        whole = len(data) - len(data) % 2
        text = data[:whole].decode(self._encoding, "surrogatepass")
        lines = [line.encode(self._encoding, "surrogatepass") for line in io.StringIO(text, newline="")]
        if whole < len(data):
            last = lines.pop() if lines and not self._is_ended(lines[-1]) else b""
            lines.append(last + data[whole:])
        return lines

    def _is_ended(self, line: bytes) -> bool:
        return line.endswith(self._line_end) and len(line) % self._unit_bytes == 0

    def _line(self, line: bytes) -> Line:
        size, start = self._skipped + len(line), self._offset
        self._offset, self._skipped = start + size, 0
        if size > self._max_row_bytes:
            return None, size
        try:
            return line.decode(self._encoding), size
        except UnicodeDecodeError as wrong:
            raise undecodable(self._encoding, start + wrong.start, line[wrong.start]) from None


def undecodable(encoding: str, offset: int, byte: int) -> JobRefused:
    """The refusal of a file that is not in its encoding."""
    name = next(name for name, python_name in ENCODINGS.items() if python_name == encoding)
    return refused(TableText.WRONG_BYTE, encoding=name, byte=f"{byte:02X}", place=offset + 1)
