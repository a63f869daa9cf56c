"""`stats`: how the night goes.

Jobs and open batches are counted by the database, one read per 1,000; a lane with queued jobs takes some 13 reads, and
the day's spending one per 1,000 batches and one per 1,000 instant answers.
"""

import asyncio
from argparse import Namespace
from typing import Final

from cli.commands.command import Command, ExitCode
from cli.commands.lanes import tell_lanes
from cli.commands.printing import Printer
from nightshift.batches import documents as batches
from nightshift.bulk import documents as bulk_jobs
from nightshift.pricing import spending
from nightshift.reports import stats
from nightshift.reports.backlog import backlogs
from nightshift.runtime import Runtime
from nightshift.values.status import CREATED


async def _run(runtime: Runtime, _: Namespace, printer: Printer) -> ExitCode:
    counts, lanes, open_batches, open_bulk_jobs, spent_usd = await asyncio.gather(
        stats.count_by_status(runtime),
        backlogs(runtime),
        batches.count_open(runtime),
        bulk_jobs.count_open(runtime),
        spending.spent_usd(runtime),
    )
    budget_usd = runtime.settings.daily_budget_usd
    oldest = min((lane.oldest_queued_at for lane in lanes if lane.oldest_queued_at), default=None)
    printer.record("jobs", {**stats.summary(counts), "notAdmittedYet": counts[CREATED], "oldestQueuedAt": oldest})
    tell_lanes(runtime, printer, lanes)
    printer.record("batches", {"open": open_batches})
    printer.record("bulk jobs", {"open": open_bulk_jobs})
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
    help="jobs by status, what waits in each lane, open batches, today's spending",
    description="The counts of getBatchStats (queued includes what is not admitted yet), what waits in each lane and "
    "since when, how many batches and bulk jobs are open, and what today's batches cost or are estimated to "
    "cost and its instant answers did cost, against NIGHTSHIFT_DAILY_BUDGET_USD as it is set in this shell (- = none).",
    example="stats",
    run=_run,
)
