"""The rows of a part as they ended: each row once, in the order of the source.

A row that equals an earlier one shows what became of that one, which may lie in another part.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from nightshift.bulk.part import BulkPart
from nightshift.bulk.result_rows import EndedRow
from nightshift.bulk.round_ends import RoundEnds
from nightshift.bulk.stored_rows import StoredRow, read_rows
from nightshift.runtime import Runtime
from nightshift.values.table_texts import TableText

# Of a row that no round names though it has ended.
_LOST: Final = {"status": "failed", "errorCode": "result_missing", "errorMessage": TableText.ROW_LOST.say()}


async def ended_rows(runtime: Runtime, parts: Sequence[BulkPart], part: BulkPart) -> AsyncIterator[list[EndedRow]]:
    """A part's rows, some at a time.

    Args:
        parts: all of the bulk job, in their order.

    Raises:
        NotFound: an object of the part is gone.
        TryLater: Cloud Storage did not answer.
    """
    originals = await _originals(runtime, parts, part)
    ends = RoundEnds(runtime, part)
    async for rows in read_rows(runtime, part):
        ended = []
        for index, row in rows:
            end = originals.get(row.same_as) if row.same_as is not None else await _end(row, index, ends)
            ended.append(_ended(row, end or _LOST))
        yield ended


async def _end(row: StoredRow, index: int, ends: RoundEnds) -> Mapping[str, Any] | None:
    if row.error is not None:
        return {"status": "failed", "errorCode": row.error[0], "errorMessage": row.error[1]}
    return await ends.of(index)


async def _originals(
    runtime: Runtime, parts: Sequence[BulkPart], part: BulkPart
) -> Mapping[int, Mapping[str, Any] | None]:
    """Of each row that a row of this part equals, how it ended."""
    if part.counts.total == part.rows:
        # Duplicates are not counted, and here there are none.
        return {}
    wanted = {row.same_as async for rows in read_rows(runtime, part) for _, row in rows if row.same_as is not None}
    found: dict[int, Mapping[str, Any] | None] = {}
    for earlier in parts:
        if any(earlier.first_row <= row <= earlier.last_row for row in wanted):
            ends = RoundEnds(runtime, earlier)
            async for rows in read_rows(runtime, earlier):
                for index, row in rows:
                    if row.row in wanted:
                        found[row.row] = await _end(row, index, ends)
    return found


def _ended(row: StoredRow, end: Mapping[str, Any]) -> EndedRow:
    return EndedRow(
        row=row.row,
        columns=row.columns,
        status=end["status"],
        key=row.key,
        result=end.get("result"),
        error_code=end.get("errorCode"),
        error_message=end.get("errorMessage"),
    )
