"""Reprocess: a job that has ended is asked anew as a job of its own, on an operator's wish.

The new job is `created`, and goes the way of any other: its event or the tick admits it, and its user is charged. On
the house, its price is granted in the same commit. Its id, and that of the grant, follow from the run's name and the
first job's id. So a run can be repeated after a crash, or a lost answer: each job of it is made once.

A free job that fails leaves its price with its user.
"""

from hashlib import sha256
from typing import Final

from nightshift.database.commits import Commit, Undecided, attempts
from nightshift.errors import JobRefused
from nightshift.jobs import created, transitions
from nightshift.jobs.created import JobDocument
from nightshift.ledger import entries
from nightshift.ledger.posting import post, read_wallet
from nightshift.runtime import Runtime
from nightshift.values.ids import is_user_id

_ID_LETTERS: Final = 40


def id_in_run(run: str, job_id: str) -> str:
    """The id of the job that this run makes of a job."""
    return f"again-{sha256(f'{run}/{job_id}'.encode()).hexdigest()[:_ID_LETTERS]}"


async def reprocess(runtime: Runtime, job: JobDocument, run: str, *, model: str | None, granted: int) -> bool:
    """Make a new job of one that has ended.

    Args:
        run: the name of the operator's run.
        model: `[provider:]model` that answers it; None = its type's.
        granted: the tokens that its user is given for it; 0 = it is charged as any other.

    Returns:
        Whether this call made it; False if it was there.

    Raises:
        JobRefused: its document names no user, or was too large to be read.
        TryLater: the database did not answer.
    """
    if not is_user_id(job.user_id) or job.is_too_large:
        raise JobRefused("cannot_reprocess", "Its document cannot be read as a job's.")
    job_id = id_in_run(run, job.job_id)
    may_be_ours = False
    async for _ in attempts():
        if await created.read(runtime, job_id):
            return may_be_ours
        writes = Commit(runtime)
        transitions.create_again(runtime, writes, job_id, job.fields, former_job_id=job.job_id, model=model)
        if granted:
            post(writes, await read_wallet(runtime, job.user_id), [entries.grant(job_id, granted)])
        try:
            await writes.send()
        except Undecided as doubt:
            may_be_ours = may_be_ours or not doubt.is_refusal
        else:
            return True
    raise AssertionError("attempts() ends by raising")
