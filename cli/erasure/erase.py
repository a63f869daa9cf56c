"""Erases everything that the project holds of one user. Each run erases what can be erased by then.

A run may die between any two steps. The order leaves the next run something to go on from, and harms no other user:

1. The account, so that nothing new comes. (An ID token that was given out before lives for up to an hour.)
2. The jobs and bulk jobs that have not ended are cancelled, and refunded like any other. A bulk job is deleted with its
   parts, its objects and its batches' files once it has ended.
3. The batches that ever held a job of the user, by what the job's document says of them. One that is still open is
   stopped, and the other users' jobs in it are sent again; its jobs stay until it is closed. Of a closed one the files
   are deleted, here and at the provider: they hold lines of several users, who have their answers.
4. The uploads.
5. The jobs of closed batches, each with its classification and notification. A job goes after its batches' files, since
   only its document names them.
6. Once no job is left: what was left of jobs that had been deleted earlier, messages, points, preferences, devices, the
   ledger, the wallet.

Memory holds a page of jobs, and an id for each of the user's batches.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import structlog

from cli.erasure import accounts
from cli.erasure import documents as erasures
from cli.erasure.bulk import erase_bulk_jobs
from nightshift.batches import artifacts
from nightshift.batches import documents as batches
from nightshift.batches.advance import stop
from nightshift.batches.batch import Batch
from nightshift.database.collections import CLASSIFICATIONS, MAIL, NOTIFICATIONS, OUTBOX
from nightshift.errors import LeaseHeld, TryLater
from nightshift.images import uploads
from nightshift.jobs.cancel import LIVE, cancel_all
from nightshift.jobs.created import JobDocument
from nightshift.jobs.settlements import batches_left
from nightshift.runtime import Runtime

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What was done: documents of a kind deleted, a file deleted, jobs cancelled, a batch stopped."""

    kind: str
    number: int = 1
    # Of a file: where it lay.
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What is still there, and why, in a sentence."""

    sentence: str


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """What was not looked at, and why, in a sentence; it is no reason to run it again."""

    sentence: str


Told = Erased | Remains | Skipped


async def erase(runtime: Runtime, uid: str, *, keep_account: bool) -> AsyncIterator[Told]:
    """Erase a user, and tell of everything as it is done. Raises TryLater; then it is to be run again."""
    erasure = _Erasure(runtime, uid)
    if keep_account:
        yield Skipped(sentence="The account was kept, as asked.")
    else:
        async for told in erasure.account():
            yield told
    for part in (erasure.live_jobs, erasure.bulk_jobs, erasure.uploads, erasure.jobs):
        async for told in part():
            yield told
    for sentence in erasure.remaining():
        yield Remains(sentence=sentence)
    if not erasure.is_anything_left:
        async for told in erasure.rest():
            yield told


class _Erasure:
    """One run."""

    def __init__(self, runtime: Runtime, uid: str) -> None:
        self._runtime = runtime
        self._uid = uid
        # Why a batch keeps the jobs in it from being erased, for each of the user's batches; None = nothing does.
        self._open: dict[str, str | None] = {}
        # The jobs that are left, by the reason.
        self._left: Counter[str] = Counter()

    @property
    def is_anything_left(self) -> bool:
        """Whether a job could not be erased now."""
        return bool(self._left)

    def remaining(self) -> list[str]:
        """What is left of the user, and why."""
        return [f"{number} of the user's jobs: {why}." for why, number in self._left.items()]

    async def account(self) -> AsyncIterator[Told]:
        """Firebase Auth."""
        try:
            if await accounts.delete(self._runtime, self._uid):
                yield Erased(kind="accounts")
        except TryLater:
            if self._runtime.settings.auth_emulator is None:
                raise
            yield Skipped(sentence="The account was not looked for: no Auth emulator answers.")

    async def live_jobs(self) -> AsyncIterator[Told]:
        """What has not ended."""
        for status in LIVE:
            async for page in erasures.jobs(self._runtime, self._uid, status):
                await cancel_all(self._runtime, page)
                yield Erased(kind="jobs cancelled", number=len(page))

    async def bulk_jobs(self) -> AsyncIterator[Told]:
        """Bulk jobs: cancelled, and deleted once they have ended."""
        async for erased in erase_bulk_jobs(self._runtime, self._uid):
            if erased.why:
                self._left[erased.why] += 1
            for kind, number in erased.deleted.items():
                if number:
                    yield Erased(kind=kind, number=number)

    async def uploads(self) -> AsyncIterator[Told]:
        """Images."""
        async for path in uploads.delete_all(self._runtime, self._uid):
            yield Erased(kind="uploads", path=path)

    async def jobs(self) -> AsyncIterator[Told]:
        """The jobs, and before each the files of its batches."""
        async for page in erasures.jobs(self._runtime, self._uid):
            for batch_id in sorted(
                {batch_id for job in page for batch_id in batches_left(job.job)} - self._open.keys()
            ):
                async for told in self._batch(batch_id):
                    yield told
            job_ids = [job.job_id for job in page if self._is_free(job)]
            if job_ids:
                deleted = await erasures.delete_jobs(self._runtime, self._uid, job_ids)
                for kind, number in deleted.items():
                    yield Erased(kind=kind, number=number)

    async def rest(self) -> AsyncIterator[Told]:
        """What hangs on no job."""
        for collection in (CLASSIFICATIONS, NOTIFICATIONS, OUTBOX, MAIL):
            async for number in erasures.delete_orphans(self._runtime, self._uid, collection):
                yield Erased(kind=collection, number=number)
        async for kind, number in erasures.delete_own(self._runtime, self._uid):
            yield Erased(kind=kind, number=number)
        await erasures.forget_in_lanes(self._runtime, self._uid)
        async for entries, with_wallet in erasures.delete_wallet(self._runtime, self._uid):
            yield Erased(kind="ledger entries", number=entries)
            yield Erased(kind="wallets", number=int(with_wallet))
        if await erasures.count_jobs(self._runtime, self._uid):
            yield Remains(sentence="Jobs that came while it ran; the user's devices may write for up to an hour.")

    def _is_free(self, job: JobDocument) -> bool:
        """Whether a job can be erased now; if not, why is kept."""
        if job.fields.get("status") in LIVE:
            self._left["they came, or moved, while it ran"] += 1
            return False
        why = next((why for batch_id in batches_left(job.job) if (why := self._open[batch_id])), None)
        if why:
            self._left[why] += 1
        return why is None

    async def _batch(self, batch_id: str) -> AsyncIterator[Told]:
        """Stop a batch, or delete the files of one that is closed."""
        try:
            found = await batches.find(self._runtime, batch_id)
            if found and found.batch.is_stoppable and found.batch.stop is None:
                await stop(self._runtime, batch_id, "retry")
                yield Erased(kind="batches stopped")
                found = await batches.find(self._runtime, batch_id)
        except LeaseHeld:
            self._open[batch_id] = f"another process has the lease of their batch {batch_id}"
            return
        except TryLater as trouble:
            self._open[batch_id] = f"their batch {batch_id} is to be stopped, and cannot be now: {trouble}"
            return
        if found:
            done = "is being stopped" if found.batch.is_stoppable else "is being settled"
            self._open[batch_id] = f"their batch {batch_id} {done}"
            return
        self._open[batch_id] = None
        for path in await artifacts.delete_all(self._runtime, batch_id):
            yield Erased(kind="batch files", path=path)
        for file_id in await self._delete_files_at_provider(await batches.read(self._runtime, batch_id)):
            yield Erased(kind="files at the provider", path=file_id)

    async def _delete_files_at_provider(self, batch: Batch | None) -> Sequence[str]:
        if batch is None:
            return []
        file_ids = (batch.input_file_id, batch.output_file_id, batch.error_file_id)
        provider = self._runtime.provider_for(batch.lane)
        return [file_id for file_id in file_ids if file_id and await provider.delete_file(file_id)]
