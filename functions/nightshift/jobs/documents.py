"""Where everything lies in Firestore, and how a job is read from its document."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any, Final

from google.cloud.firestore import DocumentSnapshot, FieldFilter

from nightshift.database.collections import JOBS
from nightshift.database.fields import time_or_none
from nightshift.jobs.job import Job
from nightshift.runtime import Runtime
from nightshift.values.usage import count_of

# The field of a job that names the batches which it has left.
FORMER_BATCH_IDS: Final = "formerBatchIds"

# What an admitted job's document says but for its input and its answer.
WITHOUT_INPUT: Final = (
    *("userId", "type", "status", "lane", "batchId", "attempts", FORMER_BATCH_IDS),
    *(
        "submittedAt",
        "batchUntil",
        "nextAttemptAt",
        "waitsFor",
        "invalidAnswers",
        "costUsd",
        "uncountedUsd",
        "countedBatchId",
        "shareDay",
        "shareUsd",
        "spared",
        "sparedSince",
    ),
)


def jobs_where(runtime: Runtime, **fields: str | None) -> Any:
    """The query for jobs whose fields have these values, at least one."""
    query: Any = runtime.firestore.collection(JOBS)
    for name, wanted in fields.items():
        query = query.where(filter=FieldFilter(name, "==", wanted))
    return query


def job_of(snapshot: "DocumentSnapshot[Any]") -> Job:
    """The admitted job of a document. A document that was damaged since can still be read, and then refused."""
    return job_from(snapshot.id, snapshot.to_dict() or {}, snapshot.update_time)


def job_from(job_id: str, fields: Mapping[str, Any], update_time: datetime) -> Job:
    """The same of a document's fields, as they were at `update_time`."""
    job_input, waits_for = fields.get("input"), fields.get("waitsFor")
    former, generation = fields.get(FORMER_BATCH_IDS), fields.get("imageGeneration")
    return Job(
        job_id=job_id,
        user_id=str(fields.get("userId", "")),
        type=str(fields.get("type", "")),
        input=job_input if isinstance(job_input, dict) else {},
        status=str(fields.get("status", "")),
        lane=fields.get("lane"),
        batch_id=fields.get("batchId"),
        attempts=count_of(fields.get("attempts")),
        former_batch_ids=tuple(str(batch_id) for batch_id in former) if isinstance(former, list) else (),
        update_time=update_time,
        queued_at=time_or_none(fields.get("queuedAt")),
        submitted_at=time_or_none(fields.get("submittedAt")),
        batch_until=time_or_none(fields.get("batchUntil")),
        next_attempt_at=time_or_none(fields.get("nextAttemptAt")),
        image_generation=generation if isinstance(generation, int) else None,
        waits_for=waits_for if isinstance(waits_for, str) else None,
        invalid_answers=count_of(fields.get("invalidAnswers")),
        spared=count_of(fields.get("spared")),
        spared_since=time_or_none(fields.get("sparedSince")),
        cost_usd=_usd(fields.get("costUsd", 0.0)),
        uncounted_usd=_usd(fields.get("uncountedUsd")) or 0.0,
        counted_batch_id=fields.get("countedBatchId"),
        is_free=fields.get("isFree") is True,
        share_day=fields.get("shareDay"),
        share_usd=_usd(fields.get("shareUsd")) or 0.0,
    )


def _usd(cost: Any) -> float | None:
    return float(cost) if isinstance(cost, int | float) and isfinite(cost) else None
