"""What clients wrote: how it is read before it is admitted, and from `created` to `failed` for what is refused."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database import reads
from nightshift.database.collections import JOBS, NOTIFICATIONS
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.errors import JobRefused
from nightshift.jobs.documents import job_from, jobs_where
from nightshift.jobs.job import Job
from nightshift.jobs.notification import notification
from nightshift.jobs.retention import job_expiry, notification_expiry
from nightshift.runtime import Runtime
from nightshift.values.status import CREATED, FAILED

_PAGE: Final = 300


@dataclass(frozen=True, kw_only=True)
class Written:
    """A job document as it was read, whoever wrote it: nothing in `fields` is validated."""

    job_id: str
    fields: Mapping[str, Any]
    created_at: datetime
    update_time: datetime

    @property
    def job(self) -> Job:
        """The same as a job that was admitted; what does not fit is left empty."""
        return job_from(self.job_id, self.fields, self.update_time)

    @property
    def user_id(self) -> str:
        """The uid that the document names; empty if it names none."""
        user_id = self.fields.get("userId")
        return user_id if isinstance(user_id, str) else ""


async def read(runtime: Runtime, job_id: str) -> Written | None:
    """The job document, or None if there is none."""
    snapshot = await reads.read(runtime, f"{JOBS}/{job_id}")
    return written(snapshot) if snapshot.exists else None


async def created_before(runtime: Runtime, latest: datetime) -> AsyncIterator[Written]:
    """The jobs that are still `created` and whose document is older than `latest`.

    The document's own creation time counts, not the field `createdAt`, which a client wrote.
    """
    last = None
    while True:
        query = jobs_where(runtime, status=CREATED).order_by("__name__").limit(_PAGE)
        page = await (query.start_after(last) if last else query).get(**READ)
        for snapshot in page:
            if snapshot.create_time <= latest:
                yield written(snapshot)
        if len(page) < _PAGE:
            return
        last = page[-1]


async def refuse(
    runtime: Runtime, job: Written, refusal: JobRefused, title: str, status: Literal["failed", "cancelled"] = FAILED
) -> None:
    """End a job that was never charged, and tell its user; nothing happens if the job was decided meanwhile."""
    client = runtime.firestore
    async for _ in attempts():
        commit = Commit(runtime)
        commit.update(
            client.collection(JOBS).document(job.job_id),
            {
                "status": status,
                "errorCode": refusal.code,
                "errorMessage": refusal.message,
                "tokensSpent": 0,
                "completedAt": SERVER_TIMESTAMP,
                "updatedAt": SERVER_TIMESTAMP,
                **job_expiry(runtime),
            },
            read_as_of=job.update_time,
        )
        note = notification(
            user_id=job.user_id,
            job_id=job.job_id,
            kind="job_failed",
            title=f"{title} {status}",
            message=f"{refusal.message} Nothing was charged.",
        )
        commit.set(
            client.collection(NOTIFICATIONS).document(job.job_id),
            {**note, "createdAt": SERVER_TIMESTAMP, **notification_expiry(runtime)},
        )
        try:
            await commit.send()
        except Undecided:
            if await was_decided(runtime, job.job_id, job.update_time):
                return
        else:
            return


async def was_decided(runtime: Runtime, job_id: str, update_time: datetime) -> bool:
    """Whether a job has changed since it was read: by another delivery, or by a commit whose answer was lost."""
    again = await read(runtime, job_id)
    return again is None or again.update_time != update_time


def written(snapshot: Any) -> Written:
    """A job as its document was read."""
    return Written(
        job_id=snapshot.id,
        fields=snapshot.to_dict() or {},
        created_at=snapshot.create_time,
        update_time=snapshot.update_time,
    )
