"""A part's share of each result file, an object each, whole or not at all.

Its name comes from the objects that it is made of. So a process that goes on after a crash finds what is written
already, and a part that was run again gets new pieces.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from typing import Final, Literal

from nightshift import storage
from nightshift.bulk import objects
from nightshift.bulk.ended_rows import ended_rows
from nightshift.bulk.part import BulkPart
from nightshift.bulk.result_rows import ResultTable
from nightshift.runtime import Runtime

ResultKind = Literal["csv", "jsonl", "errors"]
RESULT_KINDS: Final[tuple[ResultKind, ...]] = ("csv", "jsonl", "errors")


def piece_of(part: BulkPart, kind: ResultKind) -> str:
    """The name of a part's piece of a result file."""
    made_of = sha256("\n".join((part.rows_name, *part.rounds)).encode()).hexdigest()[:16]
    return f"{part.part:05}.{made_of}.{kind}"


async def write_pieces(
    runtime: Runtime, parts: Sequence[BulkPart], part: BulkPart, table: ResultTable, written: Collection[str]
) -> None:
    """Write a part's pieces, but for a part whose pieces are all in `written`. Raises NotFound and TryLater."""
    if all(piece_of(part, kind) in written for kind in RESULT_KINDS):
        return
    async with AsyncExitStack() as open_pieces:
        writers = [
            await open_pieces.enter_async_context(
                storage.writing(runtime, objects.piece(part.bulk_id, piece_of(part, kind)))
            )
            for kind in RESULT_KINDS
        ]
        async for rows in ended_rows(runtime, parts, part):
            texts = (table.lines(rows), b"".join(row.json_line() for row in rows), table.lines(rows, of_errors=True))
            await asyncio.gather(*(writer.write(text) for writer, text in zip(writers, texts, strict=True)))
