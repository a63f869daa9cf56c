"""The jobs that have ended and that an operator's filter matches, page by page: the memory holds one page.

The query asks for the status alone, in the order of the ids, so it needs no index of its own. What else the filter
wants is looked at here.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nightshift.database.commits import READ
from nightshift.jobs.created import JobDocument, written
from nightshift.jobs.documents import jobs_where
from nightshift.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class EndedFilter:
    """Which jobs; None = any. `since` and `before` are about when a job ended."""

    status: str
    before: datetime
    type: str | None = None
    since: datetime | None = None
    model: str | None = None
    user_id: str | None = None
    # A field's path and its value as text, such as `result.category` and `dry`.
    conditions: Mapping[str, str] = field(default_factory=dict)

    def matches(self, job: JobDocument) -> bool:
        """Whether the job is one of these."""
        wanted = {"type": self.type, "model": self.model, "userId": self.user_id}
        if any(value is not None and job.fields.get(name) != value for name, value in wanted.items()):
            return False
        ended_at = job.fields.get("completedAt")
        if not isinstance(ended_at, datetime) or ended_at >= self.before:
            return False
        if self.since is not None and ended_at < self.since:
            return False
        return all(_as_text(_at(job.fields, path)) == value for path, value in self.conditions.items())


def _at(fields: Mapping[str, Any], path: str) -> Any:
    found: Any = fields
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _as_text(found: Any) -> str:
    return str(found).lower() if isinstance(found, bool) else str(found)


async def ended_jobs(runtime: Runtime, asked: EndedFilter) -> AsyncIterator[JobDocument]:
    """The jobs that match, each once."""
    page_jobs, last = runtime.instance.bounds.page_jobs, None
    while True:
        query = jobs_where(runtime, status=asked.status).order_by("__name__").limit(page_jobs)
        page = await (query.start_after(last) if last else query).get(**READ)
        for snapshot in page:
            job = written(snapshot)
            if asked.matches(job):
                yield job
        if len(page) < page_jobs:
            return
        last = page[-1]
