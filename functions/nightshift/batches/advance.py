"""The one idea: look at a batch, do its next step, record it, and go on until it waits for the provider.

A trigger, a tick or a worker advances it. Each step can be repeated without harm, so a crash needs no repair code. The
lease expires, and the next trigger, tick or worker takes the same step again. Nothing else moves a batch.
"""

from structlog.contextvars import bind_contextvars

from nightshift.batches import assemble, close, ingest, lanes, poll, submission, submit, transitions
from nightshift.batches import documents as batches
from nightshift.batches.batch import Batch
from nightshift.batches.documents import Found
from nightshift.batches.lanes import HeldLane
from nightshift.batches.listing import NOTHING_LISTED, ProviderListing
from nightshift.batches.members import members_of
from nightshift.batches.transitions import HeldBatch
from nightshift.errors import BudgetSpent, LeaseHeld, LeaseLost, TryLater
from nightshift.log import left_to_the_next_tick
from nightshift.providers.base import ProviderTrouble
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.lane import Lane
from nightshift.values.outcome import Stop


async def advance(runtime: Runtime, batch_id: str, listing: ProviderListing) -> Batch | None:
    """Bring a batch as far as it goes now. Raises as below.

    Returns:
        The batch as it is then; None if it was closed before, or does not exist: then it is left alone.
    """
    found = await batches.find(runtime, batch_id)
    return await advance_found(runtime, found, listing) if found else None


async def advance_between_ticks(runtime: Runtime, batch_id: str, listing: ProviderListing) -> None:
    """The same as a worker does it: jobs that the batch's end has queued again are sent at once, as by a trigger.

    If the worker dies before, or the lane was submitted a moment ago, they go with the next tick.
    """
    batch = await advance(runtime, batch_id, listing)
    if batch and batch.source is None and not batch.is_open and batch.counts.retried:
        await submit_between_ticks(runtime, batch.lane)


async def advance_found(runtime: Runtime, found: Found, listing: ProviderListing) -> Batch:
    """Bring an open batch, as it was read, as far as it goes now; returns it as it is then.

    Raises:
        LeaseHeld: another process holds its lease, or has moved it since.
        TryLater: a step met a passing trouble. Its lease is given free, and any later `advance` takes the step again.
    """
    held = transitions.take(runtime, found)
    await advance_held(runtime, held, listing)
    return held.batch


async def stop(runtime: Runtime, batch_id: str, wish: Stop) -> Found | None:
    """Record the wish that a batch stops, and bring it as far as it goes now; later steps carry the rest out.

    What the provider has answered by then is answered. Everything else is cancelled, or sent again, as is wished.

    Returns:
        The batch as it was found; None if it is closed, or none. At one that the provider is done with already nothing
        is wished, since its jobs are being settled.

    Raises:
        LeaseHeld: another process holds its lease, and nothing is wished yet.
        TryLater: the wish is on record, and a step met a passing trouble.
    """
    found = await batches.find(runtime, batch_id)
    if found and found.batch.is_stoppable:
        held = transitions.take(runtime, found)
        await held.request_stop(wish)
        await advance_held(runtime, held, NOTHING_LISTED)
    return found


async def request_stop(runtime: Runtime, batch_id: str, wish: Stop) -> Found | None:
    """Record the same wish, and leave it to a worker or the tick to carry it out. Raises LeaseHeld.

    Returns:
        As `stop`.
    """
    found = await batches.find(runtime, batch_id)
    if found and found.batch.is_stoppable and found.batch.stop != wish:
        held = transitions.take(runtime, found)
        await held.request_stop(wish, release=True)
    return found


async def submit_between_ticks(runtime: Runtime, lane: Lane) -> None:
    """Send the lane's queued jobs as a trigger or a worker does: if its coalescing window allows.

    Never raises TryLater: the jobs are paid and queued, so any later trigger or tick carries them.
    """
    try:
        await submit_lane(runtime, lane, runtime.time_limit(runtime.settings.tick_seconds), coalesce=True)
    except TryLater as trouble:
        left_to_the_next_tick("submit", trouble)


async def submit_lane(
    runtime: Runtime, lane: Lane, time_limit: TimeLimit, *, coalesce: bool, is_ordered: bool = False
) -> None:
    """Send the lane's queued jobs to the provider, in as many batches as they need.

    What is queued meanwhile waits for the next leader, and so does a batch that the provider would not have.

    Args:
        coalesce: leave the jobs where they are if the lane was submitted a moment ago; the next leader, or the tick,
            takes all that has gathered by then.
        is_ordered: also while submission is held back (submission.py), or the lane backs off. Then users whose jobs
            wait after trouble are sent as well: the last, each in batches of their own, so that what troubles the
            provider again is no other user's.

    Raises:
        BudgetSpent: the day's budget has too little left for the next job. Triggers of this instance leave the lane to
            the tick until the next day.
        TryLater: a step met a passing trouble. After the provider's, triggers of this instance leave the lane alone for
            a while.
    """
    bind_contextvars(lane=str(lane))
    if not is_ordered and await submission.is_held_back(runtime, may_be_remembered=coalesce):
        return
    # Without its provider nothing of the lane is touched.
    runtime.provider_for(lane)
    held_lane = await lanes.take(runtime, lane, coalesce=coalesce, is_ordered=is_ordered)
    if held_lane is None:
        return
    is_open = await _submit(runtime, held_lane, time_limit)
    for user_id in sorted(held_lane.users_backing_off) if is_ordered else ():
        again = await lanes.take(runtime, lane, coalesce=False, is_ordered=True) if is_open else None
        if again is None:
            return
        is_open = await _submit(runtime, again, time_limit, of_user=user_id)


async def _submit(runtime: Runtime, held_lane: HeldLane, time_limit: TimeLimit, of_user: str | None = None) -> bool:
    """Send what is queued, or one user's jobs of it. Returns whether all went that may go now, and more could."""
    async with held_lane.lease.released_after():
        while not time_limit.is_over:
            is_learning = held_lane.most_requests is not None
            try:
                assembled = await assemble.assemble(runtime, held_lane, of_user)
            except LeaseHeld:
                # Another process has the lane; it takes the jobs that we came for, or the next leader does.
                return False
            except BudgetSpent:
                lanes.leave_to_the_tick(runtime, held_lane.lane)
                raise
            if assembled is None:
                return True
            try:
                await advance_held(runtime, assembled.held, NOTHING_LISTED)
            except ProviderTrouble:
                lanes.pause(runtime, held_lane.lane)
                raise
            # After a full queue, one batch at a time finds out what fits.
            if assembled.held.batch.status != "submitted" or is_learning:
                return False
            if not assembled.is_full:
                return True
    return False


async def advance_held(runtime: Runtime, held: HeldBatch, listing: ProviderListing) -> None:
    """Bring a batch on which this process has the lease as far as it goes now. Raises as above."""
    _bind(held.batch)
    async with held.lease.released_after():
        try:
            while await _step(runtime, held, listing):
                pass
        except (LeaseHeld, LeaseLost):
            raise
        except Exception as error:
            await held.note_error(error)
            raise
        await held.note_success()


def _bind(batch: Batch) -> None:
    """From here on each event names the batch: also that of the trouble in which the call, or the duty, may end."""
    bind_contextvars(batch_id=batch.batch_id, lane=str(batch.lane))


async def _step(runtime: Runtime, held: HeldBatch, listing: ProviderListing) -> bool:
    """Take the batch's next step. Returns whether there may be another one now."""
    status = held.batch.status
    if status == "submitted":
        # While the provider is at work there is nothing to write, the lease included.
        return await poll.note_outcome(runtime, held, listing)
    await held.lease.on_record()
    members = members_of(runtime, held.batch)
    match status:
        case "assembling" if held.batch.stop:
            # Whether there is anything to stop at the provider is the next step's to find out.
            held.seal()
        case "assembling":
            await assemble.reassemble(runtime, held, members)
        case "sealed":
            await submit.submit(runtime, held, listing)
        case "ingesting":
            return await ingest.ingest(runtime, held, members)
        case "closing":
            await close.close(runtime, held, members)
        case _:
            return False
    return not held.lease.is_released
