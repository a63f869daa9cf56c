"""What becomes of a job's document before it ends, each by its name. This room alone writes `ai_jobs`.

The room that decides a transition has the commit: the same commit moves a wallet, a batch or a lane. Each transition
holds only if the job is still as it was read. How a job is refused stands in created.py, how it ends in settlements.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import JOBS
from nightshift.database.commits import Commit
from nightshift.jobs.job import Job
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.status import CREATED, PROCESSING

_LAST: Final = 1


def admit(
    runtime: Runtime,
    writes: Commit,
    job_id: str,
    read_as_of: datetime,
    *,
    lane: Lane,
    priority: int,
    tokens: int,
    start: Mapping[str, Any],
) -> None:
    """`created` → what `start` says (`queued` or `processing`), for a job that is charged `tokens` in this commit."""
    fields = {
        **start,
        "lane": str(lane),
        "priority": priority,
        "tokensSpent": tokens,
        "queuedAt": SERVER_TIMESTAMP,
    }
    touch(runtime, writes, job_id, read_as_of, fields)


def claim(runtime: Runtime, writes: Commit, job: Job, batch_id: str, share: Mapping[str, Any]) -> None:
    """`queued` → `processing`, in a batch. `share` is what it counts against its user's share of the budget."""
    fields = {
        "status": PROCESSING,
        "batchId": batch_id,
        "attempts": job.attempts + 1,
        "submittedAt": SERVER_TIMESTAMP,
        **share,
    }
    touch(runtime, writes, job.job_id, job.update_time, fields)


def move(runtime: Runtime, writes: Commit, job: Job, lane: Lane) -> None:
    """`queued` → `queued`, in another lane, where its trouble begins anew if it has any."""
    touch(runtime, writes, job.job_id, job.update_time, {"lane": str(lane), "spared": 0})


def create_again(
    runtime: Runtime,
    writes: Commit,
    job_id: str,
    asked: Mapping[str, Any],
    *,
    former_job_id: str,
    model: str | None,
) -> None:
    """Nothing → `created`: what was asked before is asked anew, behind what users ask. `model` answers it, if given."""
    fields = {name: asked[name] for name in ("userId", "type", "speed", "input") if name in asked}
    wanted = {"requestedModel": model} if model else {}
    again = {"status": CREATED, "priority": _LAST, "createdAt": SERVER_TIMESTAMP, "formerJobId": former_job_id}
    writes.create(runtime.firestore.collection(JOBS).document(job_id), {**fields, **again, **wanted})


def touch(runtime: Runtime, writes: Commit, job_id: str, read_as_of: datetime, changes: Mapping[str, Any]) -> None:
    """Change some fields of a job, if it is still as it was read at `read_as_of`."""
    ref = runtime.firestore.collection(JOBS).document(job_id)
    writes.update(ref, {**changes, "updatedAt": SERVER_TIMESTAMP}, read_as_of=read_as_of)
