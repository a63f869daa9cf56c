"""What some days cost: batch by batch, however many there are, and the answers in real time by the day."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

from google.cloud.firestore import FieldFilter

from nightshift.batches.batch import OPEN
from nightshift.batches.counts import Counts
from nightshift.database.collections import BATCHES
from nightshift.database.commits import READ, stream
from nightshift.jobs.documents import jobs_where
from nightshift.reports.bill import BatchCost, InstantCost
from nightshift.runtime import Runtime

_PRICED_BY: Final = ("budgetDay", "lane", "status", "counts", "costUsd", "realtimeCostUsd")


async def of_days(runtime: Runtime, first: str, last: str) -> AsyncGenerator[BatchCost, None]:
    """The batches that were created on these days and between them, the oldest day first, as a stream.

    One read a batch, of the few fields that a bill needs. Raises Undecided when the stream breaks off.
    """
    query = runtime.firestore.collection(BATCHES).where(filter=FieldFilter("budgetDay", ">=", first))
    query = query.where(filter=FieldFilter("budgetDay", "<=", last)).order_by("budgetDay").select(_PRICED_BY)
    async with aclosing(stream(query)) as snapshots:
        async for snapshot in snapshots:
            yield _cost(snapshot.to_dict() or {})


async def of_answers(runtime: Runtime, days: Sequence[str]) -> list[InstantCost]:
    """The answers in real time of each of these days, counted and summed by the database.

    Billed by the day as one read per 1,000 jobs, and as one if there are no jobs.
    """

    async def of_day(day: str) -> InstantCost:
        sums = jobs_where(runtime, budgetDay=day).sum("costUsd", alias="cost").count(alias="jobs")
        found = {sum_.alias: sum_.value for sum_ in (await sums.get(**READ))[0]}
        return InstantCost(day=day, jobs=int(found["jobs"]), cost_usd=float(found["cost"] or 0))

    return await asyncio.gather(*map(of_day, days))


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
