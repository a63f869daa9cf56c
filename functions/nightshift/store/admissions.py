"""From `created` to `queued` or `failed`: the transitions that decide whether a job is paid."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.model.errors import JobRefused
from nightshift.model.job import CREATED, FAILED, QUEUED
from nightshift.model.lane import Lane
from nightshift.model.ledger import Wallet, charge_id
from nightshift.model.notification import notification
from nightshift.runtime import Runtime
from nightshift.store.commits import READ, Undecided, attempts, commit
from nightshift.store.documents import JOBS, LEDGER, NOTIFICATIONS, WALLETS, jobs_where

_PAGE: Final = 300


@dataclass(frozen=True, kw_only=True)
class Written:
    """A job document as it was read, whoever wrote it: nothing in `fields` is validated."""

    job_id: str
    fields: Mapping[str, Any]
    created_at: datetime
    update_time: datetime

    @property
    def user_id(self) -> str:
        """The uid that the document names; empty if it names none."""
        user_id = self.fields.get("userId")
        return user_id if isinstance(user_id, str) else ""


async def read(runtime: Runtime, job_id: str) -> Written | None:
    """The job document, or None if there is none."""
    snapshot = await runtime.firestore.collection(JOBS).document(job_id).get(**READ)
    return _written(snapshot) if snapshot.exists else None


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
                yield _written(snapshot)
        if len(page) < _PAGE:
            return
        last = page[-1]


async def charge_and_queue(runtime: Runtime, job: Written, *, lane: Lane, tokens: int, priority: int) -> None:
    """Charge the user and queue the job, in one commit; nothing happens if the job was decided meanwhile.

    Raises:
        JobRefused: insufficient_tokens; or invalid_input for an id under which a job was paid before.
    """
    client = runtime.firestore
    job_ref = client.collection(JOBS).document(job.job_id)
    wallet_ref = client.collection(WALLETS).document(job.user_id)
    entry_ref = wallet_ref.collection(LEDGER).document(charge_id(job.job_id))
    async for _ in attempts():
        snapshot = await wallet_ref.get(**READ)
        wallet = Wallet.read(snapshot.to_dict())
        if not wallet.covers(tokens):
            raise JobRefused("insufficient_tokens", f"It costs {_tokens(tokens)} and you have {wallet.balance}.")
        batch = client.batch()
        batch.update(
            job_ref,
            {
                "status": QUEUED,
                "lane": str(lane),
                "priority": priority,
                "tokensSpent": tokens,
                "attempts": 0,
                "queuedAt": SERVER_TIMESTAMP,
                "updatedAt": SERVER_TIMESTAMP,
            },
            option=client.write_option(last_update_time=job.update_time),
        )
        batch.create(
            entry_ref,
            {"amount": -tokens, "kind": "charge", "jobId": job.job_id, "createdAt": SERVER_TIMESTAMP},
        )
        batch.update(
            wallet_ref,
            {**wallet.charged(tokens).fields(), "updatedAt": SERVER_TIMESTAMP},
            option=client.write_option(last_update_time=snapshot.update_time),
        )
        try:
            await commit(batch)
        except Undecided as doubt:
            if await _was_decided(runtime, job):
                return
            if doubt.already_exists:
                raise JobRefused("invalid_input", "A job with this id was already paid for; use a new id.") from doubt
        else:
            return


async def refuse(runtime: Runtime, job: Written, refusal: JobRefused, title: str) -> None:
    """Fail a job that was never charged, and tell its user; nothing happens if the job was decided meanwhile."""
    client = runtime.firestore
    async for _ in attempts():
        batch = client.batch()
        batch.update(
            client.collection(JOBS).document(job.job_id),
            {
                "status": FAILED,
                "errorCode": refusal.code,
                "errorMessage": refusal.message,
                "tokensSpent": 0,
                "completedAt": SERVER_TIMESTAMP,
                "updatedAt": SERVER_TIMESTAMP,
            },
            option=client.write_option(last_update_time=job.update_time),
        )
        note = notification(
            user_id=job.user_id,
            job_id=job.job_id,
            kind="job_failed",
            title=f"{title} failed",
            message=f"{refusal.message} Nothing was charged.",
        )
        batch.set(client.collection(NOTIFICATIONS).document(job.job_id), {**note, "createdAt": SERVER_TIMESTAMP})
        try:
            await commit(batch)
        except Undecided:
            if await _was_decided(runtime, job):
                return
        else:
            return


async def _was_decided(runtime: Runtime, job: Written) -> bool:
    """Whether the document has changed since it was read: by another delivery, or by a commit whose answer was lost."""
    again = await read(runtime, job.job_id)
    return again is None or again.update_time != job.update_time


def _tokens(number: int) -> str:
    return f"{number} token" if number == 1 else f"{number} tokens"


def _written(snapshot: Any) -> Written:
    return Written(
        job_id=snapshot.id,
        fields=snapshot.to_dict() or {},
        created_at=snapshot.create_time,
        update_time=snapshot.update_time,
    )
