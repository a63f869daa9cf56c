"""What the batches of some days cost, batch by batch, however many there are."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from google.cloud.firestore import FieldFilter

from nightshift.model.batch import OPEN, Counts
from nightshift.model.bill import BatchCost
from nightshift.runtime import Runtime
from nightshift.store.commits import stream
from nightshift.store.documents import BATCHES

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
