"""Move: what is late or broken in one lane is answered in another, so that a night does not hang on one provider.

A lane is broken while it backs off for a reason that only an operator can mend: a locked account, a model that is not
there, a full storage. A batch is late by its lane's own history, or before its window ends. Such a batch is stopped
with the wish `move`. It is cancelled at its provider; what that has answered by then is answered. Only once it is final
there, its other jobs are queued in their fallback lane. So no job is in two live batches, and no user pays twice.

| the process dies | what is left | what goes on |
|---|---|---|
| before the wish is on record | nothing | the next tick finds the batch as late as before |
| after it | an open batch with a wish | any process that advances it; see `advance.stop` |
| around a commit that moves queued jobs | all of a page, or nothing of it | the next tick moves the rest |

A lane is tried again when it no longer backs off: with the jobs that come then.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from nightshift.batches import documents as batches
from nightshift.batches import lanes
from nightshift.batches.advance import stop
from nightshift.batches.batch import Batch
from nightshift.database.commits import Commit, Undecided
from nightshift.database.reads import fetch
from nightshift.duty import run_isolated
from nightshift.jobs import transitions
from nightshift.jobs.documents import WITHOUT_INPUT, job_of, jobs_where
from nightshift.jobs.fallback import fallback_of, may_leave
from nightshift.jobs.job import Job
from nightshift.providers.registry import TRAITS
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.lane import Lane
from nightshift.values.status import QUEUED

log = structlog.get_logger()

_PAGE: Final = 200
# By so many of a lane's last batches it is judged what is late there; with fewer, by the provider's window alone.
_LAST: Final = 20
_ENOUGH: Final = 5
# A batch that takes so many times as long as the slowest of them is late; one of less than two hours never is.
_TIMES: Final = 3
_NEVER_LATE: Final = timedelta(hours=2)
# So much of the window may pass. What is left is for the cancelling, and for the other lane.
_SHARE_OF_WINDOW: Final = 5 / 6


def late_after(durations: Sequence[timedelta], window: timedelta) -> timedelta:
    """After how long a batch is late, by how long the last ones of its lane took."""
    longest = window * _SHARE_OF_WINDOW
    if len(durations) < _ENOUGH:
        return longest
    return min(longest, max(_NEVER_LATE, _TIMES * max(durations)))


async def move_batches(runtime: Runtime, open_batches: Iterable[Batch], time_limit: TimeLimit) -> None:
    """Stop the batches that are late, or whose lane is broken, so that their jobs are moved. Repeats no wish."""
    broken: dict[Lane, bool] = {}
    for batch in open_batches:
        if time_limit.is_over:
            return
        lane = batch.lane
        if not batch.is_stoppable or batch.stop or not may_leave(runtime, lane):
            continue
        if lane not in broken:
            broken[lane] = await lanes.is_broken(runtime, lane)
        if broken[lane] or await _is_late(runtime, batch, runtime.now()):
            log.warning("batch_moves", batch_id=batch.batch_id, lane=str(lane), is_broken=broken[lane])
            await run_isolated("move", _stop(runtime, batch.batch_id), batch_id=batch.batch_id, lane=str(lane))


async def _stop(runtime: Runtime, batch_id: str) -> None:
    await stop(runtime, batch_id, "move")


async def _is_late(runtime: Runtime, batch: Batch, now: datetime) -> bool:
    if batch.status != "submitted" or now < batch.sent_at + _NEVER_LATE:
        return False
    window = TRAITS[batch.lane.provider].window
    if now >= batch.sent_at + late_after([], window):
        return True
    durations = await batches.last_durations(runtime, batch.lane, _LAST)
    return now >= batch.sent_at + late_after(durations, window)


async def move_queued(runtime: Runtime, lane: Lane, time_limit: TimeLimit) -> None:
    """Move the jobs that are queued in a broken lane. Those of a lane that is not broken stay."""
    if not may_leave(runtime, lane) or not await lanes.is_broken(runtime, lane):
        return
    fallback = fallback_of(runtime, lane)
    query = jobs_where(runtime, status=QUEUED, lane=str(lane)).order_by("__name__").limit(_PAGE)
    query = query.select((*WITHOUT_INPUT, "input.imageUri"))
    last, moved = None, 0
    while not time_limit.is_over:
        page = await fetch(runtime, query.start_after(last) if last else query)
        moving = [(job, other) for job in map(job_of, page) if (other := fallback(job))]
        moved += await _moved(runtime, moving)
        if len(page) < _PAGE:
            break
        last = page[-1]
    if moved:
        log.warning("jobs_moved", lane=str(lane), jobs=moved)


async def _moved(runtime: Runtime, moving: Sequence[tuple[Job, Lane]]) -> int:
    """Queue these jobs in other lanes, in one commit; 0 if another process changed one: a later tick moves the rest."""
    if not moving:
        return 0
    commit = Commit(runtime)
    for job, other in moving:
        transitions.move(runtime, commit, job, other)
    try:
        await commit.send()
    except Undecided as doubt:
        log.info("move_undecided", reason=str(doubt))
        return 0
    return len(moving)
