"""`bill`: what the batches of a month cost.

Reads the month's batches once, as a stream, of each only what a bill needs: one read a batch, whatever they hold.
Memory holds a sum for each day and lane.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

from nightshift.commands.command import Command, ExitCode
from nightshift.commands.telling import Tell
from nightshift.model.bill import Bill
from nightshift.runtime import Runtime
from nightshift.store import costs


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--month", type=_month, metavar="YYYY-MM", help="in UTC (default: this one)")


async def _run(runtime: Runtime, options: Namespace, tell: Tell) -> ExitCode:
    month = options.month or runtime.today[:7]
    year, number = map(int, month.split("-"))
    whole, by_day, by_lane = Bill(), defaultdict[str, Bill](Bill), defaultdict[str, Bill](Bill)
    last = f"{month}-{monthrange(year, number)[1]}"
    async with aclosing(costs.of_days(runtime, f"{month}-01", last)) as batches:
        async for batch in batches:
            whole = whole.with_batch(batch)
            by_day[batch.day] = by_day[batch.day].with_batch(batch)
            by_lane[batch.lane] = by_lane[batch.lane].with_batch(batch)
    tell.record("bill", {"month": month, **_sums(whole), "perCompletedJobUsd": whole.usd_per_completed_job})
    _tell_sums(tell, "day", by_day)
    _tell_sums(tell, "lane", by_lane)
    tell.say("")
    tell.say(_what_is_left_out(whole), style="dim")
    return ExitCode.DONE


def _tell_sums(tell: Tell, kind: str, sums: Mapping[str, Bill]) -> None:
    rows = [{kind: name, **_sums(bill)} for name, bill in sorted(sums.items())]
    tell.table(
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


def _what_is_left_out(bill: Bill) -> str:
    left_out = []
    if bill.open_batches:
        left_out.append(f"{bill.open_batches:,} still open")
    if bill.unpriced_batches:
        left_out.append(f"{bill.unpriced_batches:,} of a model without a listed price")
    without = f"Without the batches that are {' and '.join(left_out)}. " if left_out else ""
    return f"{without}By the provider's usage and list prices; Google's part is not in it: make bill forecasts that."


def _month(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).strftime("%Y-%m")
    except ValueError:
        raise ArgumentTypeError("it is no month such as 2026-11") from None


COMMAND: Final = Command(
    name="bill",
    help="what the batches of a month cost, per day and lane, and what they saved",
    description="What the batches of a month cost by the usage that the provider counted, what the same answers would "
    "have cost in real time, and what was saved; per day on which a batch was created, and per lane. It only "
    "reads. `make bill` forecasts a month instead, Google's part included.",
    example="bill --month 2026-11",
    add_arguments=_add_arguments,
    run=_run,
)
