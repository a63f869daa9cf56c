"""New bulk jobs that the API writes for its callers: each document as a client writes it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.bulk.documents import bulk_ref, read_request
from nightshift.database.commits import Commit
from nightshift.runtime import Runtime
from nightshift.values.status import CREATED


async def create(runtime: Runtime, bulk_id: str, fields: Mapping[str, Any]) -> datetime:
    """Create a bulk job; returns when.

    Raises:
        Undecided: the id is taken, or the answer was lost: read it.
        NeverLands: it is too large.
    """
    commit = Commit(runtime)
    commit.create(bulk_ref(runtime, bulk_id), {**fields, "status": CREATED, "createdAt": SERVER_TIMESTAMP})
    return await commit.send()


async def read_created(runtime: Runtime, bulk_id: str) -> tuple[Mapping[str, Any], datetime] | None:
    """What was written of a bulk job, its rows too, and when it was created; None if it does not exist."""
    snapshot = await read_request(runtime, bulk_id)
    return (snapshot.to_dict() or {}, snapshot.create_time) if snapshot.exists and snapshot.create_time else None
