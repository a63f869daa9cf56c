"""The lines of a stream of bytes, found as it passes by. Memory holds one chunk, and of a line MAX_LINE_BYTES."""

from typing import Final

MAX_LINE_BYTES: Final = 8 * 1024 * 1024


class LineSplitter:
    """Finds lines. They end at b"\\n" alone: U+2028 and U+0085 may stand inside JSON. Blank ones are left out."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_too_long = False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that end in the stream's next bytes; None is one longer than MAX_LINE_BYTES."""
        *ended, self._rest = (self._rest + chunk).split(b"\n")
        lines: list[bytes | None] = []
        for line in ended:
            if self._is_too_long:
                lines.append(None)
                self._is_too_long = False
            elif line.strip():
                lines.append(line)
        if self._is_too_long or len(self._rest) > MAX_LINE_BYTES:
            self._is_too_long, self._rest = True, b""
        return lines

    def end(self) -> list[bytes | None]:
        """The last line, if the stream ended without a newline."""
        if self._is_too_long:
            return [None]
        return [self._rest] if self._rest.strip() else []
