"""The failed jobs that an operator's filter matches, page by page: the memory holds one page, however many there are.

The query asks for the status alone, in the order of the ids, so it needs no index of its own. What else the filter
wants is looked at here. Each job comes once, also when it is run again and fails again meanwhile.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from nightshift.database.commits import READ
from nightshift.jobs.created import JobDocument, written
from nightshift.jobs.documents import jobs_where
from nightshift.runtime import Runtime
from nightshift.values.status import CANCELLED, FAILED

_CANCELLED_CODE: Final = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which jobs; None = any. `since` and `before` are about when a job failed."""

    before: datetime
    code: str | None = None
    type: str | None = None
    lane: str | None = None
    since: datetime | None = None

    def matches(self, job: JobDocument) -> bool:
        """Whether the job is one of these."""
        wanted = {"errorCode": self.code, "type": self.type, "lane": self.lane}
        if any(value is not None and job.fields.get(name) != value for name, value in wanted.items()):
            return False
        failed_at = job.fields.get("completedAt")
        if not isinstance(failed_at, datetime):
            return self.since is None
        return failed_at < self.before and (self.since is None or failed_at >= self.since)


async def failed_jobs(runtime: Runtime, asked: Filter) -> AsyncIterator[JobDocument]:
    """The jobs that match. Cancelled ones are among them only if their code is asked for."""
    status = CANCELLED if asked.code == _CANCELLED_CODE else FAILED
    page_jobs, last = runtime.instance.bounds.page_jobs, None
    while True:
        query = jobs_where(runtime, status=status).order_by("__name__").limit(page_jobs)
        page = await (query.start_after(last) if last else query).get(**READ)
        for snapshot in page:
            job = written(snapshot)
            if asked.matches(job):
                yield job
        if len(page) < page_jobs:
            return
        last = page[-1]
