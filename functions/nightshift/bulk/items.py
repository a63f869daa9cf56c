"""Items of a bulk job, a page at a time, by where they are: only what is shown is read.

The states of a part's items stand in its document, two bits each. So a part without an item of the wanted state costs
one read and nothing else. Of a part that has some, the rows are read up to the last one that is shown. Of its rounds
those objects are read that hold the ends.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.api_core.exceptions import NotFound

from nightshift import storage
from nightshift.bulk import documents, objects
from nightshift.bulk.part import BulkPart
from nightshift.bulk.states import ItemState
from nightshift.bulk.stored_rows import StoredRow, read_rows
from nightshift.runtime import Runtime

_LINES_AT_ONCE: Final = 200
# A request is to be answered in seconds: 50,000 items are 25 parts of the usual size.
_MOST_PARTS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a page begins: a part, from 1, and an index in it, from 0."""

    part: int = 1
    index: int = 0


@dataclass(frozen=True, kw_only=True)
class Item:
    """A row of the source, and what became of it."""

    row: StoredRow
    # None of a row that equals an earlier one: what became of that one holds.
    status: ItemState | None
    # As its line in Cloud Storage says it; empty while it is open.
    end: Mapping[str, Any]


async def read_items(
    runtime: Runtime, bulk_id: str, place: Place, most: int, status: ItemState | None
) -> tuple[list[Item], Place | None]:
    """Up to so many items in the order of the source, and where the next page begins; None after the last.

    Raises:
        TryLater: Cloud Storage did not answer.
    """
    found: list[Item] = []
    number = place.part
    for number in range(place.part, place.part + _MOST_PARTS):
        part = await documents.read_part(runtime, bulk_id, number)
        if part is None:
            return found, None
        first = place.index if number == place.part else 0
        wanted = [at for at in range(first, part.rows) if status is None or part.states[at] == status]
        shown = wanted[: most - len(found)]
        found += await _of_part(runtime, part, shown, status)
        if len(shown) < len(wanted):
            return found, Place(part=number, index=shown[-1] + 1)
        if len(found) >= most:
            return found, Place(part=number + 1)
    return found, Place(part=number + 1)


async def _of_part(runtime: Runtime, part: BulkPart, indices: list[int], status: ItemState | None) -> list[Item]:
    if not indices:
        return []
    rows = await _rows(runtime, part, set(indices))
    ends = await _ends(runtime, part, {at for at in indices if part.states[at] != "open"})
    items: list[Item] = []
    for at in indices:
        row = rows.get(at)
        if row is None or (row.same_as and status):
            # Its state says nothing.
            continue
        end = {"errorCode": row.error[0], "errorMessage": row.error[1]} if row.error else ends.get(at, {})
        items.append(Item(row=row, status=None if row.same_as else part.states[at], end=end))
    return items


async def _rows(runtime: Runtime, part: BulkPart, indices: set[int]) -> dict[int, StoredRow]:
    found: dict[int, StoredRow] = {}
    last = max(indices)
    try:
        async for rows in read_rows(runtime, part):
            found |= {at: row for at, row in rows if at in indices}
            if not rows or rows[-1][0] >= last:
                break
    except NotFound:
        # They expired, or the bulk job is being deleted.
        return found
    return found


async def _ends(runtime: Runtime, part: BulkPart, indices: set[int]) -> dict[int, Mapping[str, Any]]:
    """How items ended: the last round in which one did counts, so the rounds are read backwards."""
    ends: dict[int, Mapping[str, Any]] = {}
    for name in reversed(part.rounds):
        missing = indices - ends.keys()
        if not missing:
            break
        try:
            async for lines in storage.lines(runtime, objects.round_ends(part.bulk_id, name), _LINES_AT_ONCE):
                read = (json.loads(line) for line in lines if line)
                ends |= {end["index"]: end for end in read if end["index"] in missing}
        except NotFound:
            continue
    return ends
