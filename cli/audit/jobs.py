"""Jobs: each that ended has the documents of its end and no other, and none is stuck.

One pass over the jobs suffices, since all that belongs to a job is named after it: a notification, a classification or
a refund that contradicts its job is found here, too. One without a job is no finding: old jobs may be deleted.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cli.audit import repairs
from cli.audit.finding import Finding, LeftAlone
from cli.audit.scope import Scope
from cli.audit.second_look import found_twice_on
from nightshift.admission.admit import rescue_one
from nightshift.batches.batch import OPEN
from nightshift.database.collections import BATCHES, CLASSIFICATIONS, JOBS, LEDGER, NOTIFICATIONS, WALLETS
from nightshift.database.pages import pages, read_at
from nightshift.instant.realtime import gives_up_at
from nightshift.jobs import created
from nightshift.jobs.documents import WITHOUT_INPUT, job_of
from nightshift.jobs.ends import id_beside
from nightshift.jobs.notification import KINDS
from nightshift.ledger.entries import charge_id, refund_id
from nightshift.ledger.refunds import comes_back
from nightshift.tick.recover import send_again_or_fail
from nightshift.values.ids import names_a_document
from nightshift.values.lane import Lane
from nightshift.values.status import CANCELLED, COMPLETED, CREATED, FAILED, PROCESSING, STATUSES
from nightshift.values.tokens import tokens_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

    from nightshift.database.pages import Snapshot

Fields = Mapping[str, Any]
# A sentence, and either what mends it or why nothing does.
_Fault = tuple[str, Callable[[], Awaitable[str]] | str]

# A result holds up to 100 kB, and its classification holds it again.
_PAGE: Final = 100
_LOOKED_AT: Final = ("tokensSpent", "result", "errorMessage", "completedAt")
_ENDED: Final = frozenset({COMPLETED, FAILED, CANCELLED})
# What the notification of an end may say. An earlier version said of a cancelled job that it failed.
_TOLD: Final = {status: {kind, "job_failed"} if status == CANCELLED else {kind} for status, kind in KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class _JobView:
    """A job and all that belongs to it, as of one moment. None is a document that does not exist."""

    snapshot: "Snapshot"
    job: Fields
    notification: Fields | None = None
    classification: Fields | None = None
    charge: Fields | None = None
    refund: Fields | None = None
    # Its batch's document, where it is `processing`.
    batch: Fields | None = None

    @property
    def job_id(self) -> str:
        return self.snapshot.id

    @property
    def is_paid(self) -> bool:
        """Whether the charge is its own: under a deleted job's id there may be one that another job caused."""
        return self.charge is not None and bool(self.job.get("lane"))


async def findings(scope: Scope) -> AsyncIterator[Finding]:
    """Jobs that are stuck, or whose documents do not tell their end."""
    async for page in pages(scope.runtime.firestore.collection(JOBS).select((*WITHOUT_INPUT, *_LOOKED_AT)), size=_PAGE):
        scope.looked_at["jobs"] += len(page)
        for finding in await found_twice_on(scope, page, _of_page):
            yield finding


async def _of_page(scope: Scope, page: Sequence["Snapshot"]) -> list[Finding]:
    return [
        _finding(f"{JOBS}/{seen.job_id}", sentence, mend)
        for seen in await _see(scope, page)
        for sentence, mend in _faults(scope, seen)
    ]


def _finding(subject: str, sentence: str, mend: Callable[[], Awaitable[str]] | str) -> Finding:
    if isinstance(mend, str):
        return Finding(check="jobs", subject=subject, sentence=sentence, undecided=mend)
    return Finding(check="jobs", subject=subject, sentence=sentence, mend=mend)


async def _see(scope: Scope, page: Sequence["Snapshot"]) -> list[_JobView]:
    jobs = [(snapshot, snapshot.to_dict() or {}) for snapshot in page]
    refs = [_belongings(scope, snapshot.id, job) for snapshot, job in jobs]
    read = await read_at(scope.runtime, (ref for named in refs for ref in named.values()), page[0].read_time)
    documents = {path: snapshot.to_dict() or {} for path, snapshot in read.items()}
    # Where another user's document lies, this user's lies beside it.
    beside = {}
    for (snapshot, job), named in zip(jobs, refs, strict=True):
        for name in ("notification", "classification"):
            owner = documents.get(named[name].path, job).get("userId")
            if owner != job.get("userId"):
                named[name] = named[name].parent.document(id_beside(snapshot.id, str(job.get("userId"))))
                beside[named[name].path] = named[name]
    read = await read_at(scope.runtime, beside.values(), page[0].read_time)
    documents |= {path: snapshot.to_dict() or {} for path, snapshot in read.items()}
    return [
        _JobView(snapshot=snapshot, job=job, **{name: documents.get(ref.path) for name, ref in named.items()})
        for (snapshot, job), named in zip(jobs, refs, strict=True)
    ]


def _belongings(scope: Scope, job_id: str, job: Fields) -> dict[str, "AsyncDocumentReference"]:
    """Where the documents of a job lie, by what they are."""
    client, user_id, batch_id = scope.runtime.firestore, job.get("userId"), job.get("batchId")
    refs = {
        "notification": client.collection(NOTIFICATIONS).document(job_id),
        "classification": client.collection(CLASSIFICATIONS).document(job_id),
    }
    if isinstance(user_id, str) and names_a_document(user_id):
        ledger = client.collection(WALLETS).document(user_id).collection(LEDGER)
        refs |= {"charge": ledger.document(charge_id(job_id)), "refund": ledger.document(refund_id(job_id))}
    if job.get("status") == PROCESSING and isinstance(batch_id, str) and names_a_document(batch_id):
        refs["batch"] = client.collection(BATCHES).document(batch_id)
    return refs


def _faults(scope: Scope, seen: _JobView) -> Iterator[_Fault]:
    status = seen.job.get("status")
    if status not in STATUSES:
        yield "Its status is unknown, so no tick moves it.", "what it should be is not known"
    elif status in _ENDED:
        # The refund first, then the notification that speaks of it.
        yield from _faults_of_money(scope, seen)
        yield from _faults_of_documents(scope, seen)
    else:
        yield from _stuck(scope, seen)
        if seen.notification is not None or seen.classification is not None:
            yield f"It is {status}, and has a notification or classification of its end.", "which is right is not known"


def _faults_of_money(scope: Scope, seen: _JobView) -> Iterator[_Fault]:
    if seen.job["status"] != COMPLETED:
        if seen.is_paid and comes_back(seen.charge, was_refunded=seen.refund is not None):
            yield "It did not succeed, and its tokens were not returned.", lambda: _refund(scope, seen)
        return
    cost = tokens_of(seen.job.get("tokensSpent"))
    if seen.charge is None:
        yield "It is completed, and was never charged.", "what it should have cost is not known"
    elif seen.refund is None and tokens_of(seen.charge.get("amount")) != -cost:
        yield "It is completed, and its charge is not what it says it cost.", "which is right is not known"
    # One that an operator ran again says that it cost nothing.
    if seen.refund is not None and cost:
        yield "It is completed, and its tokens were returned.", "taking them back is for a person to decide"


def _faults_of_documents(scope: Scope, seen: _JobView) -> Iterator[_Fault]:
    is_completed = seen.job["status"] == COMPLETED
    if is_completed and seen.classification is None:
        yield "It is completed, and has no classification.", lambda: _classify(scope, seen)
    elif is_completed and (seen.classification or {}).get("result") != seen.job.get("result"):
        yield "Its classification holds another result than it does.", "which is right is not known"
    elif not is_completed and seen.classification is not None:
        yield "It did not succeed, and has a classification.", "which is right is not known"
    if seen.notification is None:
        if not _may_have_expired(scope, seen):
            yield "It has ended, and has no notification.", lambda: _notify(scope, seen)
    elif seen.notification.get("type") not in _TOLD[seen.job["status"]]:
        yield "Its notification tells another end.", "the user may have read it"


def _may_have_expired(scope: Scope, seen: _JobView) -> bool:
    """Whether the notification of an ended job is older than notifications are kept."""
    kept_days = scope.runtime.settings.keep_notifications_days
    age: timedelta = scope.runtime.now() - seen.snapshot.update_time
    return 0 < kept_days < age / timedelta(days=1)


def _stuck(scope: Scope, seen: _JobView) -> Iterator[_Fault]:
    match seen.job["status"]:
        case "created":
            rescued_after = scope.runtime.settings.rescue_seconds
            if seen.snapshot.create_time < scope.waited_since(rescued_after):
                since = f"{seen.snapshot.create_time:%Y-%m-%d %H:%M:%S} UTC"
                yield f"It is created since {since}, and was never admitted.", lambda: _admit(scope, seen)
        case "queued":
            try:
                Lane.parse(seen.job.get("lane"))
            except ValueError:
                yield "It is queued in no lane, so no tick submits it.", "the lane that it should be in is not known"
        case "processing":
            if (job := job_of(seen.snapshot)).is_realtime:
                if gives_up_at(job) < scope.waited_since(scope.runtime.settings.lease_seconds):
                    since = f"{gives_up_at(job):%Y-%m-%d %H:%M:%S} UTC"
                    yield f"It should have failed for want of an answer since {since}.", lambda: _give_up(scope, seen)
            elif seen.batch is None:
                yield "It is processing in a batch that does not exist.", lambda: _send_again(scope, seen)
            elif seen.batch.get("status") not in OPEN:
                yield "It is processing in a batch that is closed.", lambda: _send_again(scope, seen)


async def _refund(scope: Scope, seen: _JobView) -> str:
    tokens = await repairs.refund(scope.runtime, seen.job_id)
    if not tokens:
        raise LeftAlone("there is no wallet to return them to, or they were returned meanwhile")
    return f"{tokens} of the user's tokens were returned."


async def _classify(scope: Scope, seen: _JobView) -> str:
    if not await repairs.classify(scope.runtime, seen.job_id):
        raise LeftAlone("the job itself has no whole answer")
    return "Its classification was written from the job's own fields."


async def _notify(scope: Scope, seen: _JobView) -> str:
    if not await repairs.notify(scope.runtime, seen.job_id):
        raise LeftAlone("the job changed meanwhile")
    return "Its notification was written from the job's own fields."


async def _admit(scope: Scope, seen: _JobView) -> str:
    job = await created.read(scope.runtime, seen.job_id)
    if job and job.fields.get("status") == CREATED:
        await rescue_one(scope.runtime, job)
        job = await created.read(scope.runtime, seen.job_id)
    status = job.fields.get("status") if job else "deleted"
    if status == CREATED:
        raise LeftAlone("it could not be admitted now")
    return f"It was admitted, and is {status}."


async def _give_up(scope: Scope, seen: _JobView) -> str:
    await send_again_or_fail(scope.runtime, job_of(seen.snapshot))
    job = await created.read(scope.runtime, seen.job_id)
    return f"It is {job.fields.get('status') if job else 'deleted'}."


async def _send_again(scope: Scope, seen: _JobView) -> str:
    """Settle a job that lies in no open batch; only once the provider has none either, or it would be asked twice."""
    if scope.live_at_provider is None:
        raise LeftAlone("whether the provider is still at work on it is not known: it was not asked")
    if seen.job.get("batchId") in scope.live_at_provider:
        raise LeftAlone("the provider has a live batch with it; once that has stopped, repair again")
    await send_again_or_fail(scope.runtime, job_of(seen.snapshot))
    job = await created.read(scope.runtime, seen.job_id)
    return f"It was taken out of that batch, and is {job.fields.get('status') if job else 'deleted'}."
