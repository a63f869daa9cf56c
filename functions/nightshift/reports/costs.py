"""What some days cost: batch by batch, however many there are, and the answers in real time by the day."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final

from google.cloud.firestore import FieldFilter

from nightshift.batches.batch import OPEN
from nightshift.batches.counts import Counts
from nightshift.database.collections import BATCHES, BULK_JOBS
from nightshift.database.commits import READ
from nightshift.database.reads import stream
from nightshift.jobs.documents import jobs_where
from nightshift.reports.bill import BatchCost, Bill, InstantCost, LastNight
from nightshift.runtime import Runtime

_PRICED_BY: Final = ("budgetDay", "lane", "status", "counts", "costUsd", "realtimeCostUsd")


async def of_days(runtime: Runtime, first: str, last: str) -> AsyncGenerator[BatchCost, None]:
    """The batches that were created on these days and between them, the oldest day first, as a stream.

    One read a batch, of the few fields that a bill needs. Raises Undecided when the stream breaks off.
    """
    query = runtime.firestore.collection(BATCHES).where(filter=FieldFilter("budgetDay", ">=", first))
    query = query.where(filter=FieldFilter("budgetDay", "<=", last)).order_by("budgetDay").select(_PRICED_BY)
    async with aclosing(stream(runtime, query)) as snapshots:
        async for snapshot in snapshots:
            yield _cost(snapshot.to_dict() or {})


async def of_answers(runtime: Runtime, days: Sequence[str]) -> list[InstantCost]:
    """The answers in real time of each of these days, counted and summed by the database.

    Bulk jobs are in the costs of the day on which they were last answered in real time. Billed by the day as one read
    per 1,000 jobs, and as one if there are no jobs; the same for those without a price, and for bulk jobs.
    """

    async def of_day(day: str) -> InstantCost:
        sums = jobs_where(runtime, budgetDay=day).sum("costUsd", alias="cost").count(alias="jobs")
        unpriced = jobs_where(runtime, budgetDay=day, costUsd=None).count(alias="jobs")
        bulk = runtime.firestore.collection(BULK_JOBS).where(filter=FieldFilter("budgetDay", "==", day))
        (summed,), (counted,), (of_bulk,) = await asyncio.gather(
            sums.get(**READ), unpriced.get(**READ), bulk.sum("costUsd").get(**READ)
        )
        found = {sum_.alias: sum_.value for sum_ in summed}
        bulk_usd = float(of_bulk[0].value or 0)
        return InstantCost(
            day=day,
            jobs=int(found["jobs"]),
            cost_usd=float(found["cost"] or 0) + bulk_usd,
            bulk_usd=bulk_usd,
            unpriced_jobs=int(counted[0].value),
        )

    return await asyncio.gather(*map(of_day, days))


async def since_yesterday(runtime: Runtime) -> LastNight:
    """What the batches of yesterday and today (UTC) and the answers in real time of these days did and cost.

    One read a batch, and two for each day and 1,000 answers in real time. Raises Undecided when the stream breaks off.
    """
    days = [f"{runtime.now().date() - timedelta(days=1)}", runtime.today]

    async def of_batches() -> Bill:
        bill = Bill()
        async with aclosing(of_days(runtime, days[0], days[1])) as batches:
            async for batch in batches:
                bill = bill.with_batch(batch)
        return bill

    bill, answers = await asyncio.gather(of_batches(), of_answers(runtime, days))
    return LastNight(since=days[0], bill=bill, answers=answers)


def _cost(fields: dict[str, Any]) -> BatchCost:
    counts = Counts.read(fields.get("counts"))
    return BatchCost(
        day=str(fields.get("budgetDay")),
        lane=str(fields.get("lane")),
        is_open=fields.get("status") in OPEN,
        completed=counts.completed,
        failed=counts.failed,
        cost_usd=_usd(fields.get("costUsd")),
        realtime_cost_usd=_usd(fields.get("realtimeCostUsd")),
    )


def _usd(amount: Any) -> float | None:
    return float(amount) if isinstance(amount, int | float) else None
