"""The result files of a bulk job whose items have all ended.

    pieces of each part → composed: results.csv, results.jsonl, errors.csv → results.zip

| the process dies | what is left | who goes on |
|---|---|---|
| between two parts | pieces | writes those that are missing |
| while a file is composed, or the archive written | pieces, perhaps some of the files | composes all of them again |
| before the bulk job ends | all files | finds the pieces, and composes again |

The files get the same names whenever they are written. What counts is that the bulk job's document names them: until
its export has ended, no reader is sent to them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from nightshift import job_types, storage
from nightshift.bulk import objects
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.composing import compose
from nightshift.bulk.part import BulkPart
from nightshift.bulk.pieces import RESULT_KINDS, ResultKind, piece_of, write_pieces
from nightshift.bulk.result_rows import ResultTable
from nightshift.bulk.zipped import zipped
from nightshift.runtime import Runtime, TimeLimit

log = structlog.get_logger()

_FILES: Final[Mapping[ResultKind, tuple[str, str]]] = {
    "csv": ("results.csv", "text/csv; charset=utf-8"),
    "jsonl": ("results.jsonl", "application/jsonl"),
    "errors": ("errors.csv", "text/csv; charset=utf-8"),
}
_ZIP: Final = "results.zip"
# Parts whose pieces are written side by side; each holds some chunks in memory.
_PARTS_AT_ONCE: Final = 3


async def write_files(
    runtime: Runtime, bulk: BulkJob, parts: Sequence[BulkPart], time_limit: TimeLimit
) -> dict[str, str] | None:
    """Write the result files.

    Args:
        parts: all of them, in their order, each closed.

    Returns:
        The field `files` of the document; None if the time was over before all pieces were written.

    Raises:
        TryLater: Cloud Storage did not answer.
    """
    bulk_id = bulk.bulk_id
    table = _table(bulk, parts)
    written = await storage.names(runtime, objects.piece(bulk_id, ""))
    at_once = asyncio.Semaphore(_PARTS_AT_ONCE)

    async def write(part: BulkPart) -> bool:
        async with at_once:
            if time_limit.is_over:
                return False
            await write_pieces(runtime, parts, part, table, written)
            return True

    if not all(await asyncio.gather(*map(write, parts))):
        log.info("bulk_export_goes_on_later", bulk_id=bulk_id)
        return None
    await asyncio.gather(*(_compose(runtime, bulk_id, parts, table, kind) for kind in RESULT_KINDS))
    names: dict[str, str] = {kind: name for kind, (name, _) in _FILES.items()}
    paths = {name: objects.result(bulk_id, name) for name in names.values()}
    await storage.write(runtime, objects.result(bulk_id, _ZIP), zipped(runtime, paths), "application/zip")
    return {**names, "zip": _ZIP}


async def delete_pieces(runtime: Runtime, bulk_id: str) -> None:
    """Delete what the files were made of. Raises TryLater."""
    folder = objects.piece(bulk_id, "")
    names = await storage.names(runtime, folder)
    await asyncio.gather(*(storage.delete(runtime, folder + name) for name in names))


def _table(bulk: BulkJob, parts: Sequence[BulkPart]) -> ResultTable:
    checkpoint: Mapping[str, Any] = parts[-1].ends_at["checkpoint"]
    fields = job_types.find(bulk.type).result_model.model_fields
    return ResultTable(checkpoint.get("header", []), list(fields), checkpoint.get("delimiter", ","))


async def _compose(
    runtime: Runtime, bulk_id: str, parts: Sequence[BulkPart], table: ResultTable, kind: ResultKind
) -> None:
    paths = [objects.piece(bulk_id, piece_of(part, kind)) for part in parts]
    if kind != "jsonl":
        header = objects.piece(bulk_id, f"header.{kind}")
        async with storage.writing(runtime, header) as writer:
            await writer.write(table.header(of_errors=kind == "errors"))
        paths = [header, *paths]
    name, content_type = _FILES[kind]
    await compose(runtime, paths, objects.result(bulk_id, name), content_type)
