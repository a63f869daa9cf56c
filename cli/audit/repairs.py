"""What the audit mends. Each function is one commit under preconditions: where it finds its work done, or the documents
changed, it writes nothing.

A document that is added beside a job is committed together with a touch of the job, under the update time at which the
job was read.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import SERVER_TIMESTAMP
from google.cloud.firestore_v1.vector import Vector
from pydantic import ValidationError

from nightshift.batches import transitions as batches
from nightshift.database.collections import CLASSIFICATIONS, NOTIFICATIONS
from nightshift.database.commits import Commit, Undecided, attempts
from nightshift.earning import points as points_of_entries
from nightshift.errors import JobRefused
from nightshift.job_types import find
from nightshift.jobs import created, transitions
from nightshift.jobs.created import JobDocument
from nightshift.jobs.ends import Ends
from nightshift.jobs.notification import KINDS, TITLES, Kind, notification
from nightshift.jobs.retention import notification_expiry
from nightshift.ledger import posting
from nightshift.ledger.refunds import Refunds
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.status import CANCELLED, COMPLETED, FAILED
from nightshift.values.texts import Text

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot

_ANSWER = ("type", "result", "provider", "model", "usage")


async def notify(runtime: Runtime, job_id: str) -> bool:
    """Write a finished job's missing notification. Returns False if the job is not finished (any more).

    Raises Undecided: the job changed meanwhile, or has its notification.
    """
    job = await created.read(runtime, job_id)
    if job is None or job.fields.get("status") not in {COMPLETED, FAILED, CANCELLED}:
        return False
    kind, title, message = _told(job)
    note = notification(user_id=job.user_id, job_id=job_id, kind=kind, title=title, message=message)
    await _create_beside(runtime, job, NOTIFICATIONS, {**note, **notification_expiry(runtime)})
    return True


async def classify(runtime: Runtime, job_id: str) -> bool:
    """Write a completed job's missing classification. Returns False if the job has no answer (any more).

    Raises Undecided: the job changed meanwhile, or has its classification.
    """
    job = await created.read(runtime, job_id)
    if job is None or job.fields.get("status") != COMPLETED or any(job.fields.get(name) is None for name in _ANSWER):
        return False
    answer = {name: job.fields[name] for name in _ANSWER}
    result = answer["result"]
    vectors = {name: field for name, field in result.items() if isinstance(field, Vector)}
    fields = {"userId": job.user_id, "jobId": job_id, **answer, **vectors}
    await _create_beside(runtime, job, CLASSIFICATIONS, fields)
    return True


async def refund(runtime: Runtime, job_id: str) -> int:
    """Give an ended job's tokens back. Returns how many: 0 if nothing is to be given back (any more)."""
    async for _ in attempts():
        job = await created.read(runtime, job_id)
        if job is None or job.fields.get("status") not in {FAILED, CANCELLED}:
            return 0
        refunds = await Refunds.read(runtime, job.user_id, [job_id])
        if not refunds.tokens(job_id):
            return 0
        writes = Commit(runtime)
        refunds.write(writes, [job_id])
        transitions.touch(runtime, writes, job_id, job.update_time, {"tokensSpent": 0})
        try:
            await writes.send()
        except Undecided:
            continue
        return refunds.tokens(job_id)
    return 0


async def rewrite_wallet(runtime: Runtime, wallet: "DocumentSnapshot[Any]", summed_up: Wallet) -> None:
    """Write a wallet as its ledger has it. Raises Undecided if it changed since it was read.

    Each new entry of the ledger writes the wallet in the same commit, so its update time stands for both.
    """
    writes = Commit(runtime)
    posting.rewrite(writes, wallet, summed_up)
    await writes.send()


async def rewrite_points(
    runtime: Runtime, economy: "DocumentSnapshot[Any]", points: int, answered: int, answered_of: Mapping[str, int]
) -> None:
    """Write a user's points as their entries have it. Raises Undecided if they changed since they were read."""
    writes = Commit(runtime)
    points_of_entries.rewrite(writes, economy, points, answered, answered_of)
    await writes.send()


async def rewrite_counts(runtime: Runtime, batch_id: str, counts: Mapping[str, int], update_time: datetime) -> None:
    """Write a closed batch's counts as they were counted again. Raises Undecided if it changed since then."""
    writes = Commit(runtime)
    batches.rewrite_counts(runtime, writes, batch_id, counts, update_time)
    await writes.send()


async def _create_beside(runtime: Runtime, job: JobDocument, collection: str, fields: Mapping[str, Any]) -> None:
    ends = Ends(runtime)
    await ends.look([job.job_id])
    writes = Commit(runtime)
    ends.create(writes, collection, job.job_id, job.user_id, {**fields, "createdAt": SERVER_TIMESTAMP})
    transitions.touch(runtime, writes, job.job_id, job.update_time, {})
    await writes.send()


def _told(job: JobDocument) -> tuple[Kind, str, str]:
    """Kind, title and message of a notification, from what the job's document still says."""
    try:
        job_type = find(str(job.fields.get("type")))
    except JobRefused:
        job_type = None
    title, status = job_type.title if job_type else Text.YOUR_REQUEST.say(), job.fields["status"]
    if status != COMPLETED:
        told = Text.COST_NOTHING.say(what=str(job.fields.get("errorMessage", ""))).strip()
        return KINDS[status], TITLES[status].say(title=title), told
    try:
        result = job_type.result_model.model_validate(job.fields.get("result")) if job_type else None
    except ValidationError:
        result = None
    summary = job_type.summarize(result) if job_type and result else Text.ANSWER_THERE.say()
    return "job_completed", TITLES[COMPLETED].say(title=title), summary
