"""`bill`: what the answers of a month cost.

Reads the month's batches once, as a stream, of each only what a bill needs: one read a batch, whatever they hold.
Memory holds a sum for each day and lane. Instant answers are summed by the database: for each day of the month that has
begun, one read per 1,000 jobs, one more for those without a price, and one for bulk jobs.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

from cli.commands.command import Command, ExitCode
from cli.commands.printing import Printer, counted
from nightshift.reports import costs
from nightshift.reports.bill import Bill, InstantCost
from nightshift.runtime import Runtime


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--month", type=_month, metavar="YYYY-MM", help="in UTC (default: this one)")


async def _run(runtime: Runtime, options: Namespace, printer: Printer) -> ExitCode:
    month = options.month or runtime.today[:7]
    days = _days(month)
    whole, by_day, by_lane = Bill(), defaultdict[str, Bill](Bill), defaultdict[str, Bill](Bill)
    async with aclosing(costs.of_days(runtime, days[0], days[-1])) as batches:
        async for batch in batches:
            whole = whole.with_batch(batch)
            by_day[batch.day] = by_day[batch.day].with_batch(batch)
            by_lane[batch.lane] = by_lane[batch.lane].with_batch(batch)
    instant = await costs.of_answers(runtime, [day for day in days if day <= runtime.today])
    instant_usd = sum(day.cost_usd for day in instant)
    printer.record(
        "bill",
        {
            "month": month,
            **_sums(whole),
            "perCompletedJobUsd": whole.usd_per_completed_job,
            "instantJobs": sum(day.jobs for day in instant),
            "unpricedInstantJobs": sum(day.unpriced_jobs for day in instant),
            "instantCostUsd": instant_usd,
            "instantBulkUsd": sum(day.bulk_usd for day in instant),
            "totalCostUsd": whole.cost_usd + instant_usd,
        },
    )
    _tell_sums(printer, "day", by_day)
    _tell_sums(printer, "lane", by_lane)
    _tell_instant(printer, instant)
    printer.say("")
    printer.say(_what_is_left_out(whole, sum(day.unpriced_jobs for day in instant)), style="dim")
    return ExitCode.DONE


def _days(month: str) -> list[str]:
    year, number = map(int, month.split("-"))
    return [f"{month}-{day:02}" for day in range(1, monthrange(year, number)[1] + 1)]


def _tell_instant(printer: Printer, instant: Sequence[InstantCost]) -> None:
    rows = [
        {
            "day": day.day,
            "jobs": day.jobs,
            "unpricedJobs": day.unpriced_jobs,
            "costUsd": day.cost_usd,
            "bulkUsd": day.bulk_usd,
        }
        for day in instant
        if day.jobs or day.cost_usd
    ]
    printer.table(
        "instant",
        rows,
        {
            "Day": ["day"],
            "Instant jobs": ["jobs"],
            "Without a price": ["unpricedJobs"],
            "Cost": ["costUsd"],
            "Of bulk jobs": ["bulkUsd"],
        },
    )


def _tell_sums(printer: Printer, kind: str, sums: Mapping[str, Bill]) -> None:
    rows = [{kind: name, **_sums(bill)} for name, bill in sorted(sums.items())]
    printer.table(
        kind,
        rows,
        {
            kind.capitalize(): [kind],
            "Jobs": ["jobs"],
            "Cost": ["costUsd"],
            "Saved": ["savedUsd"],
        },
    )


def _sums(bill: Bill) -> dict[str, Any]:
    return {
        "batches": bill.batches,
        "openBatches": bill.open_batches,
        "unpricedBatches": bill.unpriced_batches,
        "jobs": {"completed": bill.completed, "failed": bill.failed},
        "costUsd": bill.cost_usd,
        "realtimeCostUsd": bill.realtime_cost_usd,
        "savedUsd": bill.saved_usd,
    }


def _what_is_left_out(bill: Bill, unpriced_jobs: int) -> str:
    left_out = []
    if bill.open_batches:
        left_out.append(f"{counted(bill.open_batches, 'batch', 'batches')} still open")
    if bill.unpriced_batches:
        left_out.append(f"{counted(bill.unpriced_batches, 'batch', 'batches')} of a model without a listed price")
    if unpriced_jobs:
        left_out.append(f"{counted(unpriced_jobs, 'instant job')} of a model without a listed price")
    without = f"Not in it: {', '.join(left_out)}. " if left_out else ""
    return f"{without}By the provider's usage and list prices; Google's part is not in it: make bill forecasts that."


def _month(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).strftime("%Y-%m")
    except ValueError:
        raise ArgumentTypeError("it is no month such as 2026-11") from None


COMMAND: Final = Command(
    name="bill",
    help="what a month's batches and instant answers cost, per day and lane, and what batches saved",
    description="What the batches of a month cost by the usage that the provider counted, what the same answers would "
    "have cost in real time, and what was saved; per day on which a batch was created, and per lane. What was "
    "answered in real time is listed apart, per day on which its jobs ended; the total has both. It only reads. "
    "`make bill` forecasts a month instead, Google's part included.",
    example="bill --month 2026-11",
    add_arguments=_add_arguments,
    run=_run,
    needs_documents=True,
)
