"""A job that has ended is run again, on an operator's wish. Each function is one commit under preconditions.

It is not finished any more, so its notification goes in the same commit. What its first end cost stays refunded: the
retry is free. If it fails too, nothing is refunded, because the ledger already shows the refund.

What the provider was paid for a job in real time stays with it: `costUsd` goes on from there, and until the job's next
end it counts on the `budgetDay` of the last one. So it is in one day's sum, at any moment.
"""

from typing import Any, Final

from google.cloud.firestore import DELETE_FIELD, SERVER_TIMESTAMP

from nightshift.admission.charges import Start
from nightshift.database.collections import NOTIFICATIONS
from nightshift.database.commits import Commit
from nightshift.errors import JobRefused
from nightshift.jobs import transitions
from nightshift.jobs.created import JobDocument
from nightshift.jobs.documents import FORMER_BATCH_IDS
from nightshift.jobs.ends import Ends
from nightshift.jobs.in_history import is_in_history
from nightshift.jobs.settlements import batches_left
from nightshift.ledger.posting import count_admissions
from nightshift.ledger.refunds import Refunds
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document
from nightshift.values.status import CREATED

# What tells of an end. `expireAt` does: a job in flight is not to be deleted by its age.
_NO_END: Final = dict.fromkeys(("errorCode", "errorMessage", "completedAt", "expireAt"), DELETE_FIELD)
# What the run that ended has left.
_NO_RUN: Final = dict.fromkeys(
    (
        *("batchId", "batchUntil", "submittedAt", "waitsFor", "invalidAnswers", "spared", "sparedSince"),
        *("countedBatchId", "historyDay"),
    ),
    DELETE_FIELD,
)


async def check_money(runtime: Runtime, job: JobDocument) -> Refunds:
    """What the ledger says of a job that was charged. Raises JobRefused if the job cannot run again by it."""
    if not names_a_document(job.user_id):
        raise JobRefused("cannot_retry", "Its document names no user.")
    refunds = await Refunds.read(runtime, job.user_id, [job.job_id])
    if not refunds.wallet.exists:
        raise JobRefused("cannot_retry", "Its user has no wallet.")
    if refunds.tokens(job.job_id):
        raise JobRefused("cannot_retry", "Its tokens were not returned; run the audit with --repair first.")
    return refunds


async def start(runtime: Runtime, job: JobDocument, start: Start) -> None:
    """`failed` or `cancelled` → `queued`, or due in real time, for a job that was charged.

    No attempt is spent, and nothing is charged.

    It gets into flight, so its user's wallet is written, for the sake of those who count what is in flight.

    Raises:
        JobRefused: there is no wallet, or the tokens of its first end are still to be returned.
        Undecided: the job or the wallet changed meanwhile.
    """
    refunds = await check_money(runtime, job)
    wallet = refunds.wallet
    writes = Commit(runtime)
    left = {**_NO_RUN, FORMER_BATCH_IDS: batches_left(job.job)}
    again = {"tokensSpent": 0, "isFree": True, "queuedAt": SERVER_TIMESTAMP, **left, **start.fields()}
    if job.job.cost_usd:
        # Its first end has counted it; its second counts what comes on top.
        again["uncountedUsd"] = -job.job.cost_usd
        if await is_in_history(runtime, job):
            # So does the history. An end that it has not seen is counted with the next one.
            again["formerCostUsd"] = job.job.cost_usd
    if start.next_attempt_at:
        # It is due at once, and from now on it has six hours again.
        again["submittedAt"] = start.next_attempt_at
    await _run_again(runtime, writes, job, again)
    in_flight = refunds.admissions.with_one_again()
    count_admissions(writes, wallet, in_flight)
    await writes.send()


async def create(runtime: Runtime, job: JobDocument) -> None:
    """`failed` or `cancelled` → `created`, for a job that was never charged. Raises Undecided if it changed."""
    writes = Commit(runtime)
    await _run_again(runtime, writes, job, {"status": CREATED, "tokensSpent": DELETE_FIELD})
    await writes.send()


async def _run_again(runtime: Runtime, writes: Commit, job: JobDocument, changes: dict[str, Any]) -> None:
    transitions.touch(runtime, writes, job.job_id, job.update_time, {**changes, **_NO_END})
    ends = Ends(runtime)
    # Under the id of a job that expired, another user may have written this one.
    await ends.look([job.job_id])
    ends.take_back(writes, NOTIFICATIONS, job.job_id, job.user_id)
