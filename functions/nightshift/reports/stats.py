"""How many jobs there are in each status, counted by the database: no job document is read."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from nightshift.bulk import documents as bulk_jobs
from nightshift.database.commits import PASSING
from nightshift.errors import TryLater
from nightshift.jobs.documents import jobs_where
from nightshift.runtime import Runtime
from nightshift.values.status import CANCELLED, COMPLETED, CREATED, FAILED, PROCESSING, QUEUED, STATUSES

# Firestore itself gives up after a minute:
# https://firebase.google.com/docs/firestore/query-data/aggregation-queries#limitations
_COUNT: Final[dict[str, Any]] = {"timeout": 60.0, "retry": None}


async def count_by_status(runtime: Runtime, at: datetime | None = None) -> dict[str, int]:
    """The number of jobs in each status. Billed as one read per 1,000 jobs counted. Raises TryLater.

    Args:
        at: count all as of this moment of the last hour; None = each as of now.
    """

    async def count(status: str) -> int:
        return int((await jobs_where(runtime, status=status).count().get(read_time=at, **_COUNT))[0][0].value)

    try:
        counts = await asyncio.gather(*(count(status) for status in STATUSES))
    except PASSING as error:
        raise TryLater(f"the jobs could not be counted: {type(error).__name__}") from error
    return dict(zip(STATUSES, counts, strict=True))


async def count_open_bulk_jobs(runtime: Runtime) -> int:
    """How many bulk jobs have not ended. Billed as one read per 1,000. Raises TryLater."""
    try:
        return await bulk_jobs.count_open(runtime)
    except PASSING as error:
        raise TryLater(f"the bulk jobs could not be counted: {type(error).__name__}") from error


def summary(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts as the outside knows them: `queued` counts those that are not admitted yet, too."""
    return {
        "queued": counts[CREATED] + counts[QUEUED],
        "processing": counts[PROCESSING],
        "completed": counts[COMPLETED],
        "failed": counts[FAILED],
        "cancelled": counts[CANCELLED],
        "total": sum(counts.values()),
    }
