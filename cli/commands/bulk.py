"""`bulk`: which bulk jobs are under way, or where one stands, part by part.

The list reads one document a bulk job; one bulk job reads its own and one a part.
"""

from argparse import ArgumentParser, Namespace
from typing import Any, Final

from cli.commands.arguments import document_id
from cli.commands.command import Command, ExitCode, Refused
from cli.commands.printing import Printer
from nightshift.bulk import documents
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.runtime import Runtime

_LISTED: Final = {
    "Bulk job": ["bulkId", "userId"],
    "Status": ["status", "wish"],
    "Progress": ["progress"],
    "Age": ["age"],
    "": ["counts"],
}
_PARTS: Final = {
    "Part": ["part"],
    "Status": ["status"],
    "Round": ["round"],
    "Batch": ["batchId"],
    "": ["counts"],
}


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    if options.id is None:
        found = await documents.open_bulk_jobs(runtime)
        printer.table("bulk", [_row(runtime, bulk) for bulk in found], _LISTED)
        printer.say(f"{len(found):,} bulk jobs are open." if len(found) != 1 else "1 bulk job is open.")
        return ExitCode.DONE
    one = await documents.read(runtime, options.id)
    if one is None:
        raise Refused(f"There is no bulk job {options.id} in {runtime.settings.project}.")
    printer.record("bulk", {**_row(runtime, one), **_more(one)})
    parts = await documents.parts_of(runtime, one.bulk_id, one.parts) if one.parts else []
    printer.table("part", [_part(part) for part in parts], _PARTS)
    return ExitCode.DONE


def _row(runtime: Runtime, bulk: BulkJob) -> dict[str, Any]:
    return {
        "bulkId": bulk.bulk_id,
        "userId": bulk.user_id,
        "status": bulk.status,
        "wish": bulk.wish,
        "progress": f"{bulk.progress:.0%}",
        "age": runtime.now() - bulk.created_at,
        "counts": bulk.counts.fields(),
    }


def _more(bulk: BulkJob) -> dict[str, Any]:
    return {
        "type": bulk.type,
        "speed": bulk.speed,
        "lane": str(bulk.lane) if bulk.lane else None,
        "quote": bulk.quote,
        "price": bulk.price,
        "charges": bulk.charges,
        "parts": bulk.parts,
        "errorCode": bulk.error_code,
        "startedAt": bulk.started_at,
    }


def _part(part: BulkPart) -> dict[str, Any]:
    return {
        "part": part.part,
        "status": part.status,
        "round": part.round,
        "batchId": part.batch_id,
        "counts": part.counts.fields(),
    }


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", type=document_id, nargs="?", metavar="BULK_ID", help="one bulk job; none = those open")


COMMAND: Final = Command(
    name="bulk",
    help="open bulk jobs, or one of them: its status, price, progress and parts",
    description="Without an id, the bulk jobs that have not ended, the oldest first. With one, what it costs, how far "
    "it is, and each part: its status, round, batch, and how its items stand.",
    example="bulk 8fK2mQx0Zr",
    add_arguments=_add_arguments,
    run=_run,
)
