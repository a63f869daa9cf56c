"""All that the database holds of one job, for an operator who asks what became of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.database import reads
from nightshift.database.collections import BATCHES, CLASSIFICATIONS, JOBS, LEDGER, NOTIFICATIONS, WALLETS
from nightshift.jobs.ends import id_beside
from nightshift.ledger.entries import charge_id, refund_id
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document

Fields = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Story:
    """The documents of one job, as they are: nothing is validated. None stands for one that does not exist."""

    job_id: str
    job: Fields
    # By their ids: the charge and the refund.
    ledger: Mapping[str, Fields]
    wallet: Fields | None
    batch: Fields | None
    classification: Fields | None
    notification: Fields | None


async def read(runtime: Runtime, job_id: str) -> Story | None:
    """What there is of a job, or None if there is no such job. Reads at most 7 documents, in two calls."""
    job = await _fields(runtime, f"{JOBS}/{job_id}")
    if job is None:
        return None
    wallet = _path(WALLETS, job.get("userId"))
    entry_ids = (charge_id(job_id), refund_id(job_id))
    (wallet_fields, batch, classification, notification), entries = await asyncio.gather(
        asyncio.gather(
            _fields(runtime, wallet),
            _fields(runtime, _path(BATCHES, job.get("batchId"))),
            _own(runtime, CLASSIFICATIONS, job_id, job.get("userId")),
            _own(runtime, NOTIFICATIONS, job_id, job.get("userId")),
        ),
        asyncio.gather(*(_fields(runtime, wallet and f"{wallet}/{LEDGER}/{entry_id}") for entry_id in entry_ids)),
    )
    return Story(
        job_id=job_id,
        job=job,
        ledger={entry_id: entry for entry_id, entry in zip(entry_ids, entries, strict=True) if entry is not None},
        wallet=wallet_fields,
        batch=batch,
        classification=classification,
        notification=notification,
    )


def _path(collection: str, name: Any) -> str | None:
    return f"{collection}/{name}" if isinstance(name, str) and names_a_document(name) else None


async def _own(runtime: Runtime, collection: str, job_id: str, user_id: Any) -> Fields | None:
    """A document of the job's end; where another user's lies in its place, the one beside it."""
    found = await _fields(runtime, f"{collection}/{job_id}")
    if found is None or found.get("userId") == user_id or not isinstance(user_id, str):
        return found
    return await _fields(runtime, f"{collection}/{id_beside(job_id, user_id)}")


async def _fields(runtime: Runtime, path: str | None) -> Fields | None:
    snapshot = await reads.read(runtime, path) if path else None
    return snapshot.to_dict() if snapshot and snapshot.exists else None
