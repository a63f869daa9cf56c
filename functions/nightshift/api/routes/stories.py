"""The story of one job, for admins: what `./nightshift job` tells, without asking a provider."""

from collections.abc import Mapping
from typing import Any, Final

from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.routes.batches import view_of
from nightshift.api.routes.jobs import shown
from nightshift.api.shapes.stories import JobStory, LedgerEntry, StoryJob
from nightshift.batches import documents as batches
from nightshift.database.fields import time_or_none
from nightshift.errors import HttpError
from nightshift.reports import story as job_story
from nightshift.reports.standing import sentence, standing_of
from nightshift.values.ids import names_a_document
from nightshift.values.told import stamp


async def look(call: ApiCall) -> JobStory:
    """Look at the story of any job: its steps, its money, its batch. What its user wrote and got is not in it."""
    runtime, job_id = call.runtime, call.path["id"]
    story = await job_story.read(runtime, job_id) if names_a_document(job_id) else None
    if story is None:
        raise HttpError(404, "not_found", "There is no such job.")
    note, batch_id = story.notification, story.job.get("batchId")
    batch = batches.readable(batch_id, story.batch) if story.batch and isinstance(batch_id, str) else None
    return JobStory(
        standing=sentence(await standing_of(runtime, story, told=stamp)),
        job=shown(StoryJob, job_id, story.job),
        ledger=[_entry(entry_id, entry) for entry_id, entry in story.ledger.items()],
        balance=_whole(story.wallet, "balance"),
        batch=view_of(story.batch, batch) if story.batch and batch else None,
        hasClassification=story.classification is not None,
        hasNotification=note is not None,
        notificationRead=note.get("read") is True if note else None,
    )


def _entry(entry_id: str, fields: Mapping[str, Any]) -> LedgerEntry:
    kind = fields.get("kind")
    return LedgerEntry(
        id=entry_id,
        kind=kind if isinstance(kind, str) else None,
        amount=_whole(fields, "amount"),
        createdAt=time_or_none(fields.get("createdAt")),
    )


def _whole(fields: Mapping[str, Any] | None, name: str) -> int | None:
    value = fields.get(name) if fields else None
    return value if isinstance(value, int) else None


ROUTES: Final = (
    ApiRoute(
        method="GET",
        path="/jobs/{id}/story",
        who="admin",
        handler=look,
        answer=JobStory,
        is_polled=True,
        errors={404: "There is no such job."},
    ),
)
