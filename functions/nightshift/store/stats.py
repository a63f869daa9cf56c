"""How many jobs there are in each status, counted by the database: no job document is read."""

import asyncio

from nightshift.model.job import STATUSES
from nightshift.runtime import Runtime
from nightshift.store.commits import READ
from nightshift.store.documents import JOBS, jobs_where


async def count_by_status(runtime: Runtime) -> dict[str, int]:
    """The number of jobs in each status, and of all jobs under `total`. Billed as one read per 1,000 jobs counted."""
    jobs = runtime.firestore.collection(JOBS)

    async def count(query: object) -> int:
        return int((await query.count().get(**READ))[0][0].value)  # type: ignore[attr-defined]

    total, *counts = await asyncio.gather(
        count(jobs), *(count(jobs_where(runtime, status=status)) for status in STATUSES)
    )
    return {**dict(zip(STATUSES, counts, strict=True)), "total": total}
