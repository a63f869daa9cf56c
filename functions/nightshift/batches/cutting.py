"""A shard: a byte_range of a batch's result file that one worker settles.

A byte_range ends at a newline (or at the file's end), so a line belongs to one shard only. The cuts are found while
the file is copied; it is not read a second time for them.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

ResultFile = Literal["output", "errors"]

# A shard of very long lines ends early.
_MOST_BYTES: Final = 16 * 1024 * 1024
# The shards of a file are created in one commit, and called for in one.
_MOST_SHARDS: Final = 200


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """The bytes of a file from `start` up to, and without, `end`."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A shard as read from `ai_batches/{batchId}/shards/{shardId}`."""

    shard_id: str
    file: ResultFile
    byte_range: ByteRange
    is_settled: bool
    # Versions before this one stored the provider's own lines.
    holds_our_lines: bool = True


class Cutter:
    """Finds a file's byte_ranges while its bytes pass by."""

    def __init__(self, most_lines: int) -> None:
        self._most_lines = most_lines
        self._ends: list[int] = []
        self._start = 0
        self._lines = 0
        self._offset = 0

    def feed(self, chunk: bytes) -> None:
        """Take note of the file's next bytes."""
        position = 0
        while (newline := chunk.find(b"\n", position)) >= 0:
            position = newline + 1
            self._lines += 1
            if self._lines == self._most_lines or self._offset + position - self._start >= _MOST_BYTES:
                self._cut(self._offset + position)
        self._offset += len(chunk)

    def byte_ranges(self) -> list[ByteRange]:
        """The whole file, cut; a file that needs no cutting is one byte_range."""
        ends = self._ends if self._start == self._offset and self._ends else [*self._ends, self._offset]
        together = ceil(len(ends) / _MOST_SHARDS)
        kept = [*ends[together - 1 : -1 : together], ends[-1]]
        return [ByteRange(start=start, end=end) for start, end in zip([0, *kept], kept, strict=False)]

    def _cut(self, end: int) -> None:
        self._ends.append(end)
        self._start, self._lines = end, 0
