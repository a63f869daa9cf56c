"""`stats`: how the night goes, and how the last one went.

Jobs and open batches are counted by the database, one read per 1,000; a lane with queued jobs takes some 13 reads, and
the day's spending one per 1,000 batches and one per 1,000 instant answers. The last night takes one read for each batch
of yesterday and today.
"""

import asyncio
from argparse import Namespace
from typing import Final

from cli.commands.command import Command, ExitCode
from cli.commands.lanes import tell_lanes
from cli.commands.printing import Printer
from nightshift.batches import documents as batches
from nightshift.bulk import documents as bulk_jobs
from nightshift.bulk.forecast import hit_rate
from nightshift.pricing import spending
from nightshift.reports import costs, stats
from nightshift.reports.backlog import backlogs
from nightshift.reports.standing import why_it_waits
from nightshift.runtime import Runtime
from nightshift.values.status import CREATED

_MOST_FAILING: Final = 5


async def _run(runtime: Runtime, _: Namespace, printer: Printer) -> ExitCode:
    (open_batches, open_bulk_jobs, foretold), counts, lanes, spent_usd, night, failing = await asyncio.gather(
        asyncio.gather(batches.count_open(runtime), bulk_jobs.count_open(runtime), hit_rate(runtime)),
        stats.count_by_status(runtime),
        backlogs(runtime),
        spending.spent_usd(runtime),
        costs.since_yesterday(runtime),
        batches.with_errors(runtime, _MOST_FAILING),
    )
    budget_usd = runtime.settings.daily_budget_usd
    oldest = min((lane.oldest_queued_at for lane in lanes if lane.oldest_queued_at), default=None)
    printer.record("jobs", {**stats.summary(counts), "notAdmittedYet": counts[CREATED], "oldestQueuedAt": oldest})
    tell_lanes(runtime, printer, lanes)
    printer.record("batches", {"open": open_batches})
    for batch in (found.batch for found in failing):
        if error := batch.last_error:
            printer.line({"waitingBatch": {"batchId": batch.batch_id, "lastError": error.fields()}})
            printer.say(f" {batch.batch_id}: {why_it_waits(error, runtime.now())}", style="yellow")
    printer.record("sinceYesterday", night.fields())
    printer.record(
        "bulkJobs", {"open": open_bulk_jobs, "endForetold": foretold.foretold, "endedAsForetold": foretold.hits}
    )
    printer.record(
        "today",
        {
            "day": runtime.today,
            "spentUsd": spent_usd,
            "budgetUsd": budget_usd if budget_usd else None,
            "leftUsd": max(0.0, budget_usd - spent_usd) if budget_usd else None,
        },
    )
    return ExitCode.DONE


COMMAND: Final = Command(
    name="stats",
    help="jobs by status, what waits in each lane, open batches, the last night, today's spending",
    description="The counts of getBatchStats (queued includes what is not admitted yet), what waits in each lane and "
    "since when, how many batches and bulk jobs are open and which batches fail, how many bulk jobs ended as was "
    "foretold, what batches and instant answers "
    "since yesterday (UTC) did and cost, and what today's batches cost or are estimated to cost and its instant "
    "answers did cost, against NIGHTSHIFT_DAILY_BUDGET_USD as it is set in this shell (- = none).",
    example="stats",
    run=_run,
    needs_documents=True,
)
