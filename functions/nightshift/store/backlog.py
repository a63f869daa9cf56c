"""What waits to be sent: how many jobs, and for how long."""

from collections.abc import Sequence
from datetime import datetime

from google.cloud.firestore import Query

from nightshift.model.job import QUEUED
from nightshift.model.lane import Lane
from nightshift.runtime import Runtime
from nightshift.store.commits import READ
from nightshift.store.documents import jobs_where


async def count(runtime: Runtime) -> int:
    """The number of queued jobs, counted by the database. Billed as one read per 1,000 of them, and at least one."""
    return int((await jobs_where(runtime, status=QUEUED).count().get(**READ))[0][0].value)


async def oldest_queued_at(runtime: Runtime, lanes: Sequence[Lane]) -> datetime | None:
    """When the oldest queued job of these lanes was admitted; None if none of them waits.

    The lanes' own index puts the oldest first within each priority: it is found by skipping from each priority to the
    next, one read each, and no index in the order of time is needed, which would bound all writes to 500 a second.
    """
    oldest: list[datetime] = []
    for lane in lanes:
        query = jobs_where(runtime, status=QUEUED, lane=str(lane))
        query = query.order_by("priority", direction=Query.DESCENDING).order_by("queuedAt").limit(1)
        page = await query.get(**READ)
        while page:
            priority, queued_at = page[0].get("priority"), page[0].get("queuedAt")
            if isinstance(queued_at, datetime):
                oldest.append(queued_at)
            page = await query.start_after({"priority": priority}).get(**READ)
    return min(oldest, default=None)
