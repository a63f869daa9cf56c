"""What clients wrote: how it is read before it is admitted, and from `created` to `failed` for what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database import reads
from nightshift.database.collections import JOBS, NOTIFICATIONS
from nightshift.database.commits import Commit, Undecided, attempts
from nightshift.database.oversized import UNREAD
from nightshift.errors import JobRefused, NeverLands
from nightshift.jobs.documents import FORMER_BATCH_IDS, job_from, jobs_where
from nightshift.jobs.ends import Ends
from nightshift.jobs.job import Job
from nightshift.jobs.notification import KINDS, TITLES, notification
from nightshift.jobs.retention import notification_expiry, refused_expiry
from nightshift.notify import preferences
from nightshift.notify.outbox import Outbox
from nightshift.runtime import Runtime
from nightshift.values.ids import is_user_id
from nightshift.values.status import CREATED, FAILED
from nightshift.values.texts import Text
from nightshift.values.turns import in_turn

# An id and a uid each, so a page is some 100 kB however large the jobs are.
_PAGE: Final = 1_000
# As many as a tick can look at; the next one finds the rest.
_MOST_FOUND: Final = 20_000
# What stays of a job whose document is too large, if it is small itself.
_ESSENTIAL: Final = (
    *("userId", "type", "speed", "priority", "deadline", "createdAt"),
    *("status", "lane", "batchId", "attempts", "tokensSpent", "queuedAt", "submittedAt", "batchUntil"),
    *("nextAttemptAt", "waitsFor", "invalidAnswers", "costUsd", "budgetDay", "imageGeneration"),
    *("uncountedUsd", "countedBatchId", "shareDay", "shareUsd", "spared", "sparedSince", FORMER_BATCH_IDS),
)
_LONGEST_ESSENTIAL: Final = 1_500
_MOST_IN_A_LIST: Final = 100


@dataclass(frozen=True, kw_only=True)
class JobDocument:
    """A job document as it was read. A hostile client may have written it: nothing in `fields` is validated."""

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

    @property
    def is_too_large(self) -> bool:
        """Whether a part of it was left unread."""
        return UNREAD in self.fields.values()

    def essentials(self) -> dict[str, Any]:
        """The contract's fields but for the input and the answer, as far as they are small."""
        return {name: self.fields[name] for name in _ESSENTIAL if _is_small(self.fields.get(name))}


def _is_small(content: Any) -> bool:
    if isinstance(content, list):
        return len(content) <= _MOST_IN_A_LIST and all(isinstance(each, str) and _is_small(each) for each in content)
    is_plain = isinstance(content, bool | int | float | str | datetime)
    return is_plain and not (isinstance(content, str) and len(content) > _LONGEST_ESSENTIAL)


async def read(runtime: Runtime, job_id: str) -> JobDocument | None:
    """The job document, or None if it does not exist. What is too large in it is `UNREAD`."""
    snapshot = await reads.read(runtime, f"{JOBS}/{job_id}")
    return written(snapshot) if snapshot.exists else None


async def created_before(runtime: Runtime, latest: datetime) -> list[str]:
    """The ids of jobs that are still `created` and whose document is older than `latest`, the users taking turns.

    The document's own creation time counts, not the field `createdAt`, which a client wrote. Of the documents nothing
    is read but the user, since a client wrote the rest, too. However many jobs one user has, the first of every other
    one is among the first.
    """
    # Of each the user and the id.
    found: list[tuple[str, str]] = []
    seen, last = 0, None
    query = jobs_where(runtime, status=CREATED).order_by("__name__").select(["userId"]).limit(_PAGE)
    while seen < _MOST_FOUND:
        page = await reads.fetch(runtime, query.start_after(last) if last else query)
        found += [(written(each).user_id, each.id) for each in page if each.create_time <= latest]
        seen += len(page)
        if len(page) < _PAGE:
            break
        last = page[-1]
    return [job_id for _, job_id in in_turn(found, lambda each: each[0])]


async def refuse(
    runtime: Runtime, job: JobDocument, refusal: JobRefused, title: str, status: Literal["failed", "cancelled"] = FAILED
) -> None:
    """End a job that was never charged, and tell its user; nothing happens if the job was decided meanwhile.

    It always lands: of a document that is too large, or leaves no room for its end, only the essentials stay.
    """
    client = runtime.firestore
    ref = client.collection(JOBS).document(job.job_id)
    has_room = not job.is_too_large
    ends = Ends(runtime)
    wanted = await preferences.read(runtime, [job.user_id] if is_user_id(job.user_id) else [])
    async for _ in attempts():
        end = {
            "status": status,
            "errorCode": refusal.code,
            "errorMessage": refusal.message,
            "tokensSpent": 0,
            "completedAt": SERVER_TIMESTAMP,
            "updatedAt": SERVER_TIMESTAMP,
            **refused_expiry(runtime),
        }
        commit = Commit(runtime)
        if has_room:
            commit.update(ref, end, read_as_of=job.update_time)
        else:
            commit.replace(ref, {**job.essentials(), **end}, read_as_of=job.update_time)
        note = notification(
            user_id=job.user_id,
            job_id=job.job_id,
            kind=KINDS[status],
            title=TITLES[status].say(title=title),
            message=Text.NOTHING_CHARGED.say(what=refusal.message),
        )
        told = {**note, "createdAt": SERVER_TIMESTAMP, **notification_expiry(runtime)}
        ends.write(commit, NOTIFICATIONS, job.job_id, job.user_id, told)
        Outbox(runtime, wanted).write(
            commit,
            user_id=job.user_id,
            topic="jobs",
            subject_id=job.job_id,
            event=KINDS[status],
            title=note["title"],
            message=note["message"],
        )
        try:
            await commit.send()
        except NeverLands:
            if not has_room:
                raise
            has_room = False
        except Undecided as doubt:
            if await was_decided(runtime, job.job_id, job.update_time):
                return
            if doubt.already_exists:
                await ends.look([job.job_id])
        else:
            return


async def was_decided(runtime: Runtime, job_id: str, update_time: datetime) -> bool:
    """Whether a job has changed since it was read: by another delivery, or by a commit whose answer was lost."""
    again = await read(runtime, job_id)
    return again is None or again.update_time != update_time


def written(snapshot: Any) -> JobDocument:
    """A job as its document was read."""
    return JobDocument(
        job_id=snapshot.id,
        fields=snapshot.to_dict() or {},
        created_at=snapshot.create_time,
        update_time=snapshot.update_time,
    )
