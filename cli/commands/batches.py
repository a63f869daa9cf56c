"""`batches`: which batches there are, and where each stands.

Reads at most --limit batches (and one more per 1,000 open ones to count them), and some 13 documents for each lane in
which jobs are queued.
"""

import asyncio
from argparse import ArgumentParser, Namespace
from typing import Any, Final

from cli.commands.arguments import whole_number
from cli.commands.command import Command, ExitCode
from cli.commands.lanes import tell_lanes
from cli.commands.printing import Printer, counted
from nightshift.batches import documents as batches
from nightshift.database.lease import Lease
from nightshift.reports.backlog import backlogs
from nightshift.reports.standing import why_it_waits
from nightshift.runtime import Runtime
from nightshift.values.told import duration

_DEFAULT_LIMIT: Final = 50
_MOST: Final = 1_000
# One under the other, since 80 columns hold no more.
_COLUMNS: Final = {
    "Batch": ["batchId", "remoteId", "lane", "bulk"],
    "Status": ["status", "errorCode", "counts"],
    "Jobs": ["jobs"],
    "Age, cost": ["age", "costUsd", "held"],
}


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="closed ones too, the newest first")
    parser.add_argument(
        "--limit",
        type=whole_number(_MOST),
        default=_DEFAULT_LIMIT,
        metavar="N",
        help=f"at most so many (default: {_DEFAULT_LIMIT})",
    )


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    reading = batches.newest if options.all else batches.oldest_open
    found, number_open, lanes = await asyncio.gather(
        reading(runtime, options.limit), batches.count_open(runtime), backlogs(runtime)
    )
    printer.table("batch", [_row(runtime, one) for one in found], _COLUMNS)
    for batch in (one.batch for one in found):
        if batch.last_error:
            printer.say(f"{batch.batch_id}: {why_it_waits(batch.last_error, runtime.now())}", style="yellow")
    tell_lanes(runtime, printer, lanes)
    printer.line({"summary": {"openBatches": number_open, "told": len(found)}})
    printer.say("")
    if not options.all and number_open > len(found):
        printer.say(f"{number_open:,} batches are open; these are the oldest {len(found):,}. --limit N shows more.")
    else:
        printer.say(_number_told(number_open))
    if not lanes:
        printer.say("No job is queued.")
    return ExitCode.DONE


def _number_told(number_open: int) -> str:
    return "No batch is open." if not number_open else f"{counted(number_open, 'batch is', 'batches are')} open."


def _row(runtime: Runtime, found: batches.Found) -> dict[str, Any]:
    batch, now = found.batch, runtime.now()
    fields = found.snapshot.to_dict() or {}
    lease, cost_usd = Lease.read(fields.get("lease")), fields.get("costUsd")
    held_until = lease.expires_at if lease and lease.is_live(now) else None
    return {
        "batchId": batch.batch_id,
        "remoteId": batch.remote_id,
        "lane": str(batch.lane),
        "source": batch.source and batch.source.fields(),
        "bulk": f"part {batch.source.part} of {batch.source.bulk_id}" if batch.source else None,
        "status": batch.status,
        "errorCode": batch.error_code,
        "jobs": batch.job_count,
        "age": now - batch.created_at,
        "createdAt": batch.created_at,
        "submittedAt": batch.submitted_at,
        "endedAt": batch.ended_at,
        "lastError": batch.last_error and batch.last_error.fields(),
        "counts": None if batch.is_open else batch.counts.fields(),
        "costUsd": cost_usd if isinstance(cost_usd, int | float) else None,
        "heldUntil": held_until,
        "held": f"held for {duration(held_until - now)} more" if held_until else None,
    }


COMMAND: Final = Command(
    name="batches",
    help="open batches, the oldest first, and the lanes in which jobs are queued",
    description="The open batches, the oldest first: our id, the provider's, lane, status, age, jobs, and for how long "
    "it is leased. With --all, closed ones too, the newest first. And each lane in which jobs are "
    "queued.",
    example="batches --all --limit 20",
    add_arguments=_add_arguments,
    run=_run,
    needs_documents=True,
)
