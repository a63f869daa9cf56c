"""New jobs that the API writes for its callers: each document as a client writes it, and then read as one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import JOBS
from nightshift.database.commits import Commit
from nightshift.database.pages import read_at
from nightshift.jobs.created import JobDocument, written
from nightshift.runtime import Runtime
from nightshift.values.status import CREATED


async def create_together(runtime: Runtime, jobs: Mapping[str, Mapping[str, Any]]) -> datetime:
    """Create jobs by their ids, all or none, in one commit; returns when.

    Raises:
        Undecided: one of the ids is taken, or the answer was lost: read them.
        NeverLands: they are too large together.
    """
    commit = Commit(runtime)
    for job_id, fields in jobs.items():
        ref = runtime.firestore.collection(JOBS).document(job_id)
        commit.create(ref, {**fields, "status": CREATED, "createdAt": SERVER_TIMESTAMP})
    return await commit.send()


async def read_all(runtime: Runtime, job_ids: Sequence[str]) -> dict[str, JobDocument]:
    """Those of these jobs that exist, by id, in one call."""
    refs = [runtime.firestore.collection(JOBS).document(job_id) for job_id in job_ids]
    return {found.id: written(found) for found in (await read_at(runtime, refs, None)).values()}
