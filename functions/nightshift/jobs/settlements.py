"""The end of a job: result, classification, notification and refund, written in one commit.

Successes and retries of many jobs share a commit. Failures share one per user: a refund changes the wallet, and
a busy wallet must not hold other people's answers up.

After an undecided commit the jobs are read again. Those that moved on were settled, by a commit whose answer
was lost or by another process. The rest is settled anew. If nothing moved, it is settled in two halves, so that one
bad document cannot hold the others up. A job's document that has no room for its end keeps its essentials only.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP
from google.cloud.firestore_v1.vector import Vector

from nightshift import job_types
from nightshift.database.collections import CLASSIFICATIONS, JOBS, NOTIFICATIONS
from nightshift.database.commits import Commit, Undecided, attempts
from nightshift.database.encoding import encoded
from nightshift.database.reads import read_each
from nightshift.earning import points
from nightshift.errors import NeverLands
from nightshift.jobs import created
from nightshift.jobs.documents import FORMER_BATCH_IDS, job_of
from nightshift.jobs.ends import Ends
from nightshift.jobs.job import Job
from nightshift.jobs.notification import KINDS, Kind, notification
from nightshift.jobs.retention import job_expiry, notification_expiry
from nightshift.jobs.settlement import Completed, Failed, Late, Requeued, Settlement
from nightshift.ledger.failures import tell_if_reached
from nightshift.ledger.limits import Admissions
from nightshift.ledger.refunds import Refunds
from nightshift.notify import preferences
from nightshift.notify.outbox import Outbox
from nightshift.notify.preferences import MessagePreferences
from nightshift.pricing import shares
from nightshift.runtime import Runtime
from nightshift.values.status import COMPLETED, FAILED, QUEUED
from nightshift.values.texts import Text

if TYPE_CHECKING:
    Kept = TypeVar("Kept", Completed | Requeued, Failed, Late)
    Writer = Callable[[Commit, Sequence[Kept], "_Known"], Awaitable[None]]

log = structlog.get_logger()

# One gRPC message holds 10 MiB in production and 4 MiB in the emulator; a result is at most some 100 kB and written
# twice.
_MOST_JOBS: Final = 150
_MOST_BYTES: Final = 3_000_000
_BYTES_AROUND_A_RESULT: Final = 2_000
# What settling a job needs to know of it.
_SETTLED_BY: Final = (
    *("userId", "type", "status", "lane", "batchId", "attempts", "spared", "sparedSince", "nextAttemptAt"),
    *(FORMER_BATCH_IDS, "costUsd", "uncountedUsd", "countedBatchId", "shareDay", "shareUsd"),
)


class _Known:
    """What was learned of jobs, their documents and their users while they are settled."""

    def __init__(self, runtime: Runtime, wanted: Mapping[str, MessagePreferences]) -> None:
        self.ends = Ends(runtime)
        self.jobs = runtime.firestore.collection(JOBS)
        self._runtime = runtime
        self._wanted = wanted
        # What stays of the jobs whose documents have no room for their end, by id.
        self.essentials: dict[str, Mapping[str, Any]] = {}
        self.outbox = Outbox(runtime, wanted)

    def begin_commit(self) -> None:
        """What is said once a commit is to be said again."""
        self.outbox = Outbox(self._runtime, self._wanted)

    @classmethod
    async def of(cls, runtime: Runtime, settlements: Iterable[Settlement | Late]) -> "_Known":
        """What is known before the first commit: how the users want to hear of an end."""
        users = (each.job.user_id for each in settlements if isinstance(each, Completed | Failed))
        return cls(runtime, await preferences.read(runtime, users))


async def read_jobs(runtime: Runtime, job_ids: Iterable[str]) -> dict[str, Job]:
    """The admitted jobs of these ids; an id without one is left out.

    Of their inputs only the fields are read by which their types judge answers.
    """
    documents = runtime.firestore.collection(JOBS)
    refs = [documents.document(job_id) for job_id in job_ids]
    judged_by = {f"input.{name}" for job_type in job_types.registered().values() for name in job_type.judged_by}
    # Whether it may be moved to another lane depends on it.
    judged_by.add("input.imageUri")
    jobs = [job_of(snapshot) for snapshot in await read_each(runtime, refs, [*_SETTLED_BY, *sorted(judged_by)])]
    return {job.job_id: job for job in jobs if job.lane}


async def settle(runtime: Runtime, settlements: Sequence[Settlement]) -> list[Settlement]:
    """Settle jobs, each at most once however often this is called.

    Returns:
        Those that this call is known to have settled. Another process settled or cancelled the others, or a commit of
        ours did whose answer was lost.
    """

    async def write_shared(writes: Commit, shared: Sequence[Completed | Requeued], known: _Known) -> None:
        for settlement in shared:
            if isinstance(settlement, Completed):
                _write_completed(runtime, writes, known, settlement)
            else:
                _write_requeued(runtime, writes, known, settlement)
        _write_points(runtime, writes, [each.job for each in shared if isinstance(each, Completed)])

    unfailed = _cut([settlement for settlement in settlements if not isinstance(settlement, Failed)])
    failed = sorted((s for s in settlements if isinstance(s, Failed)), key=lambda failure: failure.job.user_id)
    of_users = (list(failures) for _, failures in groupby(failed, key=lambda failure: failure.job.user_id))
    commits: list[Awaitable[Sequence[Settlement]]] = [
        *(_commit_all(runtime, chunk, write_shared) for chunk in unfailed),
        *(_settle_failures(runtime, failures) for failures in of_users),
    ]
    # One that cannot be committed does not keep the others from it; what went wrong is raised in the end.
    troubles = []
    settled: list[Settlement] = []
    for settling in commits:
        try:
            settled += await settling
        except Exception as trouble:  # noqa: BLE001 - raised below
            troubles.append(trouble)
    if troubles:
        raise troubles[0]
    return settled


async def count_late(runtime: Runtime, lines: Sequence[Late]) -> None:
    """Count what lines have cost that came after their jobs' end, each once however often this is called."""

    async def write(writes: Commit, late: Sequence[Late], known: _Known) -> None:
        refunds = await Refunds.read(runtime, late[0].job.user_id, [])
        for line in late:
            counted: dict[str, Any] = {"countedBatchId": line.batch_id}
            if line.job.share_day:
                counted["shareUsd"] = line.job.share_usd + line.line_usd
            _write_job(runtime, writes, known, line.job, counted)
        late_usd, before_usd = sum(line.line_usd for line in late), refunds.admissions.failed_usd
        refunds.write(writes, [], late_usd)
        tell_if_reached(runtime, before_usd, before_usd + late_usd, job_id=late[0].job.job_id)

    in_order = sorted(lines, key=lambda line: line.job.user_id)
    for _, late in groupby(in_order, key=lambda line: line.job.user_id):
        await _commit_all(runtime, list(late), write)


async def _settle_failures(runtime: Runtime, failures: Sequence[Failed]) -> list[Failed]:
    """Settle the failures of one user, and say so if they cost us more than they may in a day."""
    spent_usd: list[float] = []

    async def write(writes: Commit, failures: Sequence[Failed], known: _Known) -> None:
        before_usd = (await _write_failures_and_refunds(runtime, writes, known, failures)).failed_usd
        spent_usd[:] = [*(spent_usd[:1] or [before_usd]), before_usd + sum(one.failed_usd for one in failures)]

    try:
        settled = await _commit_all(runtime, failures, write)
    finally:
        if spent_usd:
            tell_if_reached(runtime, spent_usd[0], spent_usd[-1], job_id=failures[-1].job.job_id)
    for failure in settled:
        # Of an answer in real time its own event tells.
        if failure.status == FAILED and not failure.job.is_realtime:
            log.info("job_failed", job_id=failure.job.job_id, code=failure.error_code, reason=failure.reason)
    return settled


async def _commit_all(
    runtime: Runtime, settlements: Sequence["Kept"], write: "Writer[Kept]", known: _Known | None = None
) -> list["Kept"]:
    known = known or await _Known.of(runtime, settlements)
    rest = list(settlements)
    async for attempt in attempts():
        writes = Commit(runtime)
        known.begin_commit()
        await write(writes, rest, known)
        is_small = len(rest) == 1 and not attempt
        try:
            await (writes.send_joined() if is_small else writes.send())
        except NeverLands:
            if len(rest) > 1:
                return await _commit_halves(runtime, rest, write, known)
            rest = await _make_room(runtime, rest, known)
        except Undecided as doubt:
            tried, rest = rest, await _still_to_settle(runtime, rest)
            is_news = doubt.already_exists and await known.ends.look(settlement.job.job_id for settlement in rest)
            if len(rest) == len(tried) > 1 and not is_news:
                return await _commit_halves(runtime, rest, write, known)
        else:
            return rest
        if not rest:
            return []
    return []


async def _commit_halves(
    runtime: Runtime, settlements: Sequence["Kept"], write: "Writer[Kept]", known: _Known
) -> list["Kept"]:
    middle = len(settlements) // 2
    first = await _commit_all(runtime, settlements[:middle], write, known)
    return first + await _commit_all(runtime, settlements[middle:], write, known)


async def _make_room(runtime: Runtime, settlements: Sequence["Kept"], known: _Known) -> list["Kept"]:
    """Let only the essentials of one job's document stay. Raises NeverLands where that did not help."""
    job_id = settlements[0].job.job_id
    written = await created.read(runtime, job_id)
    if job_id in known.essentials:
        raise NeverLands("even a small document")
    if written:
        known.essentials[job_id] = written.essentials()
    return await _still_to_settle(runtime, settlements)


async def _still_to_settle(runtime: Runtime, settlements: Sequence["Kept"]) -> list["Kept"]:
    jobs = await read_jobs(runtime, [settlement.job.job_id for settlement in settlements])
    return [
        settlement.reread(job.update_time)
        for settlement in settlements
        if (job := jobs.get(settlement.job.job_id)) and _whose(job) == _whose(settlement.job)
    ]


def _whose(job: Job) -> tuple[object, ...]:
    """What has the job: a batch, or the instance that took it last for real time; and which batch counted it."""
    return job.status, job.batch_id, job.next_attempt_at, job.counted_batch_id


def _write_completed(runtime: Runtime, writes: Commit, known: _Known, done: Completed) -> None:
    job, lane = done.job, done.lane
    result = done.result.model_dump(mode="json")
    vectors = {name: Vector(result[name]) for name in done.result.vectors}
    answer: dict[str, Any] = {
        "result": encoded({**result, **vectors}),
        "provider": lane.provider,
        "model": lane.model,
        "usage": encoded(done.usage.fields()),
    }
    ended = {
        "status": COMPLETED,
        **answer,
        "costUsd": done.cost_usd,
        **_ended(runtime, job),
    }
    if job.lane != str(lane):
        ended["lane"] = str(lane)
    if not job.is_realtime:
        ended |= _share(job, done.cost_usd or 0.0)
    _write_job(runtime, writes, known, job, ended)
    classification = {
        "userId": job.user_id,
        "jobId": job.job_id,
        "type": job.type,
        **answer,
        # A search looks for a field of the document itself.
        **vectors,
        "createdAt": SERVER_TIMESTAMP,
    }
    known.ends.write(writes, CLASSIFICATIONS, job.job_id, job.user_id, classification)
    _write_notification(runtime, writes, known, job, "job_completed", done.title, done.message)


def _write_requeued(runtime: Runtime, writes: Commit, known: _Known, again: Requeued) -> None:
    # It keeps `queuedAt`: by its age it is the first of its priority.
    left = {"batchId": DELETE_FIELD, "submittedAt": DELETE_FIELD, FORMER_BATCH_IDS: batches_left(again.job)}
    if again.line_usd:
        left["uncountedUsd"] = again.job.uncounted_usd + again.line_usd
    left |= _share(again.job, again.line_usd)
    if again.moved_to:
        # There its trouble begins anew, if it has any.
        left |= {"lane": str(again.moved_to), "spared": 0}
    elif again.spared != again.job.spared:
        left["spared"] = again.spared
        if again.job.spared_since is None:
            left["sparedSince"] = runtime.now()
    _write_job(runtime, writes, known, again.job, {"status": QUEUED, "attempts": again.attempts, **left})


def batches_left(job: Job) -> list[str]:
    """All batches in which a job has been, once it leaves the present one."""
    return [*job.former_batch_ids, *([job.batch_id] if job.batch_id else [])]


async def _write_failures_and_refunds(
    runtime: Runtime, writes: Commit, known: _Known, failures: Sequence[Failed]
) -> Admissions:
    """Write the failures and cancellations of one user's jobs; returns the user's admissions before.

    What comes back is what the ledger says was charged and not refunded yet.
    """
    job_ids = [failure.job.job_id for failure in failures]
    refunds = await Refunds.read(runtime, failures[0].job.user_id, job_ids)
    for failure in failures:
        comes_back = refunds.tokens(failure.job.job_id) > 0
        said = failure.error_message
        told = Text.TOKENS_RETURNED.say(what=said) if comes_back else said
        _write_job(
            runtime,
            writes,
            known,
            failure.job,
            {
                "status": failure.status,
                "errorCode": failure.error_code,
                "errorMessage": failure.error_message,
                "tokensSpent": 0,
                **_ended(runtime, failure.job),
                **_counted(failure),
                **({} if failure.job.is_realtime else _share(failure.job, failure.line_usd)),
            },
        )
        _write_notification(runtime, writes, known, failure.job, KINDS[failure.status], failure.title, told)
    refunds.write(writes, job_ids, sum(failure.failed_usd for failure in failures))
    return refunds.admissions


def _counted(failure: Failed) -> dict[str, Any]:
    """What tells that a failed job's cost is counted."""
    counted: dict[str, Any] = {}
    if failure.job.uncounted_usd:
        counted["uncountedUsd"] = DELETE_FIELD
    if failure.line_usd:
        counted["countedBatchId"] = failure.job.batch_id
    return counted


def _share(job: Job, line_usd: float) -> dict[str, Any]:
    """What tells that a job counts for its user by what its lines in batches did cost, and by no estimate any more."""
    return {"shareUsd": max(0.0, job.uncounted_usd) + line_usd} if job.share_day else {}


def _ended(runtime: Runtime, job: Job) -> dict[str, Any]:
    """What the end of a job writes, whatever it is."""
    ended: dict[str, Any] = {"completedAt": SERVER_TIMESTAMP, **job_expiry(runtime)}
    if job.batch_id is None:
        # By this the history finds it. A batch counts its own.
        ended["historyDay"] = runtime.today
    if job.is_realtime:
        ended |= {"attempts": job.attempts, "nextAttemptAt": DELETE_FIELD, "waitsFor": DELETE_FIELD}
        if job.cost_usd != 0.0:
            # On this day it counts against the budget, and in the bill, also without a price. A batch counts its own.
            ended |= {"costUsd": job.cost_usd, "budgetDay": runtime.today}
        if job.cost_usd and shares.share_usd(runtime.settings) < inf:
            in_batches = job.share_usd if job.share_day == runtime.today else 0.0
            ended |= shares.counted(runtime, in_batches + job.cost_usd)
    return ended


def _write_job(runtime: Runtime, writes: Commit, known: _Known, job: Job, changes: Mapping[str, Any]) -> None:
    ref = known.jobs.document(job.job_id)
    fields = {**changes, "updatedAt": SERVER_TIMESTAMP}
    essentials = known.essentials.get(job.job_id)
    if essentials is None:
        writes.update(ref, fields, read_as_of=job.update_time)
    else:
        writes.replace(ref, {**essentials, **fields}, read_as_of=job.update_time)


def _write_notification(
    runtime: Runtime, writes: Commit, known: _Known, job: Job, kind: Kind, title: str, message: str
) -> None:
    note = notification(user_id=job.user_id, job_id=job.job_id, kind=kind, title=title, message=message)
    told = {**note, "createdAt": SERVER_TIMESTAMP, **notification_expiry(runtime)}
    known.ends.write(writes, NOTIFICATIONS, job.job_id, job.user_id, told)
    known.outbox.write(
        writes,
        user_id=job.user_id,
        topic="jobs",
        subject_id=job.job_id,
        event=kind,
        title=note["title"],
        message=note["message"],
    )


def _write_points(runtime: Runtime, writes: Commit, jobs: Sequence[Job]) -> None:
    """Add the points that completed jobs bring their users."""
    if not runtime.settings.economy:
        return
    for user_id, of_user in groupby(sorted(jobs, key=lambda job: job.user_id), key=lambda job: job.user_id):
        points.add_for_answers(runtime, writes, user_id, [(job.job_id, job.type) for job in of_user])


def _cut(settlements: Sequence[Completed | Requeued]) -> Iterator[list[Completed | Requeued]]:
    """Cut into commits by count and by bytes."""
    chunk: list[Completed | Requeued] = []
    chunk_bytes = 0
    for settlement in settlements:
        result_bytes = len(settlement.result.model_dump_json()) if isinstance(settlement, Completed) else 0
        settlement_bytes = 2 * result_bytes + _BYTES_AROUND_A_RESULT
        if chunk and (len(chunk) >= _MOST_JOBS or chunk_bytes + settlement_bytes > _MOST_BYTES):
            yield chunk
            chunk, chunk_bytes = [], 0
        chunk.append(settlement)
        chunk_bytes += settlement_bytes
    if chunk:
        yield chunk
