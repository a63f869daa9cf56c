"""Poll: learn what the provider has made of every open batch, in one listing, and set right what should not be there.

Provider batches that carry our stamp must be on record under that stamp. One that is not, because its document
is gone, or because a lost answer made two, is cancelled. One whose document is still `sealed` belongs to
the process that submits it, which will look for it. Of two, the one that is not on record is of no use: its files are
deleted.

Where a provider keeps no stamp, evidence stands in its place (`evidence.py`). A live batch there that nothing of ours
explains is left alone, and logged.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from nightshift.batches import documents as batches
from nightshift.batches import evidence
from nightshift.batches.batch import Batch
from nightshift.batches.listing import ProviderListing
from nightshift.batches.transitions import HeldBatch
from nightshift.duty import run_isolated
from nightshift.providers.base import Provider, ProviderGone, RemoteBatch, loggable_code
from nightshift.providers.registry import TRAITS
from nightshift.runtime import Runtime

log = structlog.get_logger()

_CLOCK_SLACK: Final = timedelta(hours=1)
_NEWEST: Final = 100
# How long a batch that reports answers may keep us waiting for the file that holds them.
_OUTPUT_PATIENCE: Final = timedelta(hours=1)
# In windows of the provider. A batch that it does not know after this is given up; one that it never ends is cancelled,
# and given up if that does not end it either.
_BATCH_PATIENCE: Final = 2
_CANCEL_PATIENCE: Final = 3
# A batch that an operator wishes to stop, and that the provider does not know, is given up earlier. A new batch may not
# be known everywhere at once, but soon.
_STOP_PATIENCE: Final = timedelta(hours=1)


async def look(runtime: Runtime, provider: Provider, open_batches: Sequence[Batch]) -> ProviderListing:
    """One provider's view of the open batches in its lanes, in one listing; strays are cancelled on the way.

    Raises:
        ProviderTrouble: it did not answer.
    """
    owned = {batch.remote_id: batch for batch in open_batches if batch.remote_id}
    submitted = {batch.batch_id for batch in owned.values()}
    adopting = {batch.batch_id: batch for batch in open_batches if batch.remote_id is None}
    listed_at = runtime.now()
    listing = ProviderListing(listed_at=listed_at)
    earliest = min((batch.created_at - _CLOCK_SLACK for batch in open_batches), default=None)
    number = 0
    stops_early = provider.traits.lists_newest_first
    async for remote in provider.batches():
        number += 1
        is_old = earliest is None or (remote.created_at is not None and remote.created_at < earliest)
        if stops_early and number > _NEWEST and is_old:
            break
        if remote.remote_id in owned or remote.batch_id in adopting:
            listing.remotes[remote.remote_id] = remote
        elif not provider.traits.is_stamped:
            if any(evidence.may_be(batch, remote) for batch in adopting.values()):
                listing.remotes[remote.remote_id] = remote
            elif remote.created_at and remote.created_at < listed_at - evidence.CLOCK_SLACK:
                # The document of a younger one may have come after ours were read.
                stopping = _stop_double(runtime, provider, remote, list(owned.values()))
                await run_isolated("stop_double", stopping, remote_id=remote.remote_id)
        elif remote.batch_id and remote.outcome is None and not remote.is_cancelling:
            cancelling = _cancel_if_stray(runtime, provider, remote.remote_id, remote.batch_id)
            await run_isolated("cancel_stray", cancelling, remote_id=remote.remote_id)
        elif remote.batch_id in submitted and remote.outcome:
            await run_isolated("delete_double", _delete_results(provider, remote), remote_id=remote.remote_id)
    for remote_id in owned.keys() - listing.remotes.keys():
        # A listing may lag behind.
        with suppress(ProviderGone):
            listing.remotes[remote_id] = await provider.retrieve(remote_id)
    return listing


async def is_stray(runtime: Runtime, remote_id: str, batch_id: str) -> bool:
    """Whether a live batch of the provider's is on record nowhere under its stamp. Raises TryLater."""
    batch = await batches.read(runtime, batch_id) if batches.is_batch_id(batch_id) else None
    return batch is None or not batch.is_open or batch.remote_id not in {None, remote_id}


async def _cancel_if_stray(runtime: Runtime, provider: Provider, remote_id: str, batch_id: str) -> None:
    if await is_stray(runtime, remote_id, batch_id):
        log.warning("stray_batch_cancelled", batch_id=batch_id)
        await provider.cancel(remote_id)


async def _stop_double(runtime: Runtime, provider: Provider, remote: RemoteBatch, submitted: Sequence[Batch]) -> None:
    """Stop a batch that another create of one of these made; one that has ended, and proves to be, is deleted."""
    doubled = next((batch for batch in submitted if evidence.may_double(batch, remote)), None)
    if doubled and remote.outcome:
        if await evidence.is_proven(runtime, doubled, remote):
            await _delete_results(provider, remote)
    elif doubled and not remote.is_cancelling:
        log.warning("stray_batch_cancelled", batch_id=doubled.batch_id)
        await provider.cancel(remote.remote_id)
    elif remote.outcome is None and not remote.is_cancelling:
        log.warning("batch_unknown", requests=remote.requests)


async def _delete_results(provider: Provider, remote: RemoteBatch) -> None:
    for file_id in (remote.output_file_id, remote.error_file_id):
        if file_id:
            await provider.delete_file(file_id)


async def note_outcome(runtime: Runtime, held: HeldBatch, listing: ProviderListing) -> bool:
    """Record the outcome of a submitted batch. Returns False, and writes nothing, while it has no outcome.

    Args:
        listing: what `look` saw a moment ago; a batch that it did not see is asked for again.
    """
    batch = held.batch
    assert batch.remote_id, "a submitted batch has its remote id on record"  # noqa: S101 - `submit` writes both at once
    provider = runtime.provider_for(batch.lane)
    age, window = runtime.now() - batch.sent_at, provider.traits.window
    try:
        remote = listing.remotes.get(batch.remote_id) or await provider.retrieve(batch.remote_id)
    except ProviderGone:
        if age < (_STOP_PATIENCE if batch.stop else _BATCH_PATIENCE * window):
            return False
        log.warning("batch_gone", remote_id=batch.remote_id)
        await held.mark_gone()
        return True
    if _is_to_be_told_to_stop(batch, remote, runtime.now()):
        if batch.stop:
            log.info("batch_stopped", remote_id=batch.remote_id)
        else:
            log.warning("batch_never_ended", remote_id=batch.remote_id)
        await provider.cancel(batch.remote_id)
    if not _is_ready(batch, remote, runtime.now()) and age < _CANCEL_PATIENCE * window:
        if remote.outcome and batch.output_missing_since is None:
            await held.note_output_missing()
        return False
    if batch.is_unproven and await evidence.is_proven(runtime, batch, remote) is False:
        log.warning("batch_disowned", remote_id=batch.remote_id)
        await held.disown()
        return True
    code = remote.error_code and loggable_code(remote.error_code)
    (log.info if remote.outcome == "completed" else log.warning)(
        "batch_ended", remote_id=batch.remote_id, outcome=remote.outcome, code=code
    )
    await held.mark_ended(remote)
    return True


def waits(batch: Batch, listing: ProviderListing, now: datetime) -> bool:
    """Whether the provider is still at work on a batch; then there is nothing to read and nothing to write.

    A batch whose step failed is looked at once more, so that the error goes from its document.
    """
    remote = listing.remotes.get(batch.remote_id or "")
    if batch.status != "submitted" or remote is None or batch.last_error or _is_overdue(batch, now):
        return False
    if _is_to_be_told_to_stop(batch, remote, now):
        return False
    is_new = remote.outcome is not None and batch.output_missing_since is None
    return not is_new and not _is_ready(batch, remote, now)


def _is_overdue(batch: Batch, now: datetime) -> bool:
    return now >= batch.sent_at + _BATCH_PATIENCE * TRAITS[batch.lane.provider].window


def _is_to_be_told_to_stop(batch: Batch, remote: RemoteBatch, now: datetime) -> bool:
    """Whether an operator wishes it to stop, or it never ends by itself; true until the provider shows the stop."""
    is_meant_to = batch.stop is not None or _is_overdue(batch, now)
    return is_meant_to and remote.outcome is None and not remote.is_cancelling


def _is_ready(batch: Batch, remote: RemoteBatch, now: datetime) -> bool:
    """Whether the provider is done with a batch and its output is there: a file's id may come after the status.

    The wait for the file begins when we first missed it, since no tick may have looked when the batch ended.
    """
    if remote.outcome is None:
        return False
    is_late = bool(remote.completed) and remote.output_file_id is None
    missing_since = batch.output_missing_since
    return not is_late or (missing_since is not None and now >= missing_since + _OUTPUT_PATIENCE)
