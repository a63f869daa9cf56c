"""The failed jobs that a filter matches, page by page: the memory holds one page, however many there are.

The query asks for the status and the batch alone, in the order of the ids, so it needs no index of its own. What else
the filter wants is looked at here. Each job comes once, also when it is run again and fails again meanwhile.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

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
    batch: str | None = None

    @classmethod
    def read(cls, fields: Mapping[str, Any], *, before: datetime) -> Self:
        """The filter that `fields()` has stored."""
        code, type_, lane, since, batch = (fields.get(name) for name in ("code", "type", "lane", "since", "batch"))
        return cls(
            before=before,
            code=code if isinstance(code, str) else None,
            type=type_ if isinstance(type_, str) else None,
            lane=lane if isinstance(lane, str) else None,
            since=since if isinstance(since, datetime) else None,
            batch=batch if isinstance(batch, str) else None,
        )

    def fields(self) -> dict[str, Any]:
        """What is asked for, to be stored."""
        wanted = {"code": self.code, "type": self.type, "lane": self.lane, "since": self.since, "batch": self.batch}
        return {name: value for name, value in wanted.items() if value is not None}

    def matches(self, job: JobDocument) -> bool:
        """Whether the job is one of these."""
        wanted = {"errorCode": self.code, "type": self.type, "lane": self.lane, "batchId": self.batch}
        if any(value is not None and job.fields.get(name) != value for name, value in wanted.items()):
            return False
        failed_at = job.fields.get("completedAt")
        if not isinstance(failed_at, datetime):
            return self.since is None
        return failed_at < self.before and (self.since is None or failed_at >= self.since)


async def failed_jobs(runtime: Runtime, asked: Filter) -> AsyncIterator[JobDocument]:
    """The jobs that match. Cancelled ones are among them only if their code is asked for."""
    async for page in pages_of_failed_jobs(runtime, asked):
        for job in page:
            if asked.matches(job):
                yield job


async def pages_of_failed_jobs(
    runtime: Runtime, asked: Filter, after: str | None = None
) -> AsyncIterator[list[JobDocument]]:
    """Pages of failed jobs, among which are those that match. Begins after the job of this id, if one is given."""
    status = CANCELLED if asked.code == _CANCELLED_CODE else FAILED
    page_jobs = runtime.instance.bounds.page_jobs
    while True:
        wanted = {"status": status} | ({"batchId": asked.batch} if asked.batch else {})
        query = jobs_where(runtime, **wanted).order_by("__name__").limit(page_jobs)
        page = await (query.start_after({"__name__": after}) if after else query).get(**READ)
        if page:
            yield [written(snapshot) for snapshot in page]
        if len(page) < page_jobs:
            return
        after = page[-1].id
