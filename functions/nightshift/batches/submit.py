"""Submit: `sealed` → `submitted`. Upload the input file, create the provider's batch, record its id.

| the process dies | what is left | what the next holder does |
|---|---|---|
| before the upload's id is on record | perhaps a file | uploads again; the tick deletes the file that no batch owns |
| then, before the batch's id is on record | perhaps a batch | looks for our stamp: adopts that batch, or creates one |

Where a provider takes the requests with the create, there is no upload. Where it keeps no stamp, evidence stands in its
place (`evidence.py`).

So `createLandsBy`, recorded before the call, is the intent: where it is found, a create may have been sent, and what
it made is looked for first. A call whose answer was lost may also still be on its way: for the length of a lease it
is looked for, and not sent again. If the provider shows a batch later than that, there are two; the tick cancels the
one that is not on record.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from nightshift.batches import artifacts, evidence, lanes
from nightshift.batches.batch import Batch
from nightshift.batches.listing import ProviderListing
from nightshift.batches.transitions import HeldBatch
from nightshift.images import uploads
from nightshift.providers.base import (
    Intent,
    Provider,
    ProviderGone,
    ProviderRefusal,
    ProviderTrouble,
    RemoteBatch,
    loggable_code,
)
from nightshift.providers.registry import TRAITS
from nightshift.runtime import Runtime

log = structlog.get_logger()

# Until the next tick.
_BACK_OFF: Final = timedelta(minutes=10)
# The addresses of images live for 48 hours, of which the provider may need 24. An older input file is written anew.
_ADDRESSES_SERVE: Final = uploads.ADDRESS_LIFETIME - timedelta(hours=24)
# Two clocks need not agree.
_CLOCK_SLACK: Final = timedelta(hours=1)


async def submit(runtime: Runtime, held: HeldBatch, listing: ProviderListing) -> None:
    """Bring a sealed batch to the provider, and give its lease free; or fail it if the provider will not have it.

    The lease of a batch that is found there, and has ended already or is to be stopped, is kept: there is a next step.
    One that is to be stopped, and that the provider never had, is not brought there any more. One whose addresses would
    end before the provider's window does is unsealed: its input file is written anew.

    Args:
        listing: provider batches that were seen a moment ago; a listing of our own may not show them yet.

    Raises:
        ProviderTrouble: it did not answer, or not now.
    """
    batch = held.batch
    try:
        adopted = await _adopted(runtime, batch, listing)
        if adopted is None and batch.stop:
            await held.cancel_unsent()
            return
        if adopted is None and runtime.now() >= batch.addressed_at + _ADDRESSES_SERVE:
            log.warning("addresses_renewed")
            await held.unseal()
            return
        remote = adopted or await _created(runtime, held)
    except ProviderRefusal as refusal:
        log.error("batch_refused", code=loggable_code(refusal.code))
        await held.record_refusal(refusal)
        return
    except ProviderTrouble as trouble:
        if trouble.needs_operator:
            # This batch is tried again by each tick, and no other one is made meanwhile.
            await held.back_off_lane(runtime.now() + _BACK_OFF, trouble=trouble.trouble)
            lanes.log_back_off(trouble.trouble, _BACK_OFF)
        raise
    except artifacts.Missing:
        # The input file is gone from Cloud Storage; the jobs are still there to write it from.
        await held.unseal()
        return
    release = adopted is None or (adopted.outcome is None and batch.stop is None)
    is_unproven = adopted is not None and remote.batch_id != batch.batch_id
    await held.mark_submitted(remote.remote_id, is_unproven=is_unproven, release=release)
    log.info("batch_submitted", remote_id=remote.remote_id, jobs=batch.job_count)


async def _adopted(runtime: Runtime, batch: Batch, listing: ProviderListing) -> RemoteBatch | None:
    if batch.create_lands_by is None:
        return None
    found, looked_at = [remote for remote in listing.remotes.values() if _may_be(batch, remote)], listing.listed_at
    if looked_at is None:
        looked_at = runtime.now()
        found += await _listed(runtime, batch)
    if not runtime.provider_for(batch.lane).traits.is_stamped:
        found = await evidence.not_disproven(runtime, batch, found)
    if not found and looked_at < batch.create_lands_by:
        raise ProviderTrouble("a create may still be on its way")
    if not found:
        return None
    log.warning("batch_adopted", found=len(found))
    # Of several, one that works, or has worked, is worth more than one that failed.
    return min(found, key=lambda remote: remote.outcome in {"failed", "cancelled"})


async def _listed(runtime: Runtime, batch: Batch) -> list[RemoteBatch]:
    """The provider's batches that are this one, or may be."""
    earliest = batch.created_at - _CLOCK_SLACK
    found = []
    provider = runtime.provider_for(batch.lane)
    async for remote in provider.batches():
        if provider.traits.lists_newest_first and remote.created_at and remote.created_at < earliest:
            break
        if _may_be(batch, remote):
            found.append(remote)
    return found


def _may_be(batch: Batch, remote: RemoteBatch) -> bool:
    """Whether it carries our stamp for this batch; of a provider without stamps, whether the evidence fits."""
    if TRAITS[batch.lane.provider].is_stamped:
        return remote.batch_id == batch.batch_id
    return evidence.may_be(batch, remote)


async def _created(runtime: Runtime, held: HeldBatch) -> RemoteBatch:
    batch = held.batch
    provider, input_file_id = runtime.provider_for(batch.lane), batch.input_file_id
    if provider.traits.takes == "file" and input_file_id is None:
        with await artifacts.open_to_read(runtime, batch.batch_id, "input") as content:
            input_file_id = await provider.upload(batch.batch_id, content)
    lands_by = runtime.now() + max(timedelta(seconds=runtime.settings.lease_seconds), provider.traits.create_time)
    await held.announce_create(input_file_id, lands_by)
    intent = Intent(
        batch_id=batch.batch_id,
        endpoint=batch.lane.endpoint,
        model=batch.lane.model,
        requests=batch.request_count,
        input_file_id=input_file_id,
    )
    for pause_seconds in runtime.instance.bounds.visible_after_seconds:
        try:
            return await _sent(runtime, provider, intent)
        except ProviderGone:
            await asyncio.sleep(pause_seconds)
        except ProviderTrouble as trouble:
            if not trouble.may_still_act:
                await held.note_no_create()
            raise
    # Gone for good, as far as we can see: the next holder uploads it again, or sends its requests again.
    await held.forget_upload()
    raise ProviderTrouble("the provider does not find the file that it took in")


async def _sent(runtime: Runtime, provider: Provider, intent: Intent) -> RemoteBatch:
    if provider.traits.takes == "file":
        return await provider.create(intent, None)
    with await artifacts.open_to_read(runtime, intent.batch_id, "input") as content:
        return await provider.create(intent, content)
