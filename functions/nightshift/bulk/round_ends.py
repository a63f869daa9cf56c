"""How a part's items ended, read from its rounds' objects in the order of the index.

An item that ended twice, since it was run again, counts by its last round. Memory holds some lines of each round.
"""

from collections.abc import AsyncIterator, Mapping
from math import inf
from typing import Any, Final

from pydantic_core import from_json

from nightshift import storage
from nightshift.bulk import objects
from nightshift.bulk.part import BulkPart
from nightshift.runtime import Runtime

_LINES_AT_ONCE: Final = 200


class RoundEnds:
    """The ends of one part's items."""

    def __init__(self, runtime: Runtime, part: BulkPart) -> None:
        self._rounds = [_RoundReader(runtime, objects.round_ends(part.bulk_id, name)) for name in part.rounds]

    async def of(self, index: int) -> Mapping[str, Any] | None:
        """The fields of an item's line, or None if no round names it. To be asked by rising indices.

        Raises NotFound and TryLater.
        """
        found = None
        for round_ in self._rounds:
            if round_.index < index:
                await round_.go_to(index)
            if round_.index == index:
                found = round_.fields
        return found


class _RoundReader:
    """The lines of one round."""

    def __init__(self, runtime: Runtime, path: str) -> None:
        self.index: float = -1
        self.fields: Mapping[str, Any] = {}
        self._lines = _ends_in(runtime, path)

    async def go_to(self, index: int) -> None:
        """Read on to the first line of this index, or of a later one."""
        while self.index < index:
            self.fields = await anext(self._lines, {})
            self.index = self.fields.get("index", inf)


async def _ends_in(runtime: Runtime, path: str) -> AsyncIterator[Mapping[str, Any]]:
    # No method of the reader: its frame would hold the reader, and the reader it. What it has read, some megabytes,
    # would stay until Python looks for such circles, which it does seldom.
    async for lines in storage.lines(runtime, path, _LINES_AT_ONCE):
        for line in lines:
            if line is not None:
                yield from_json(line)
