"""Evidence: whether a provider's batch is ours, where the provider keeps no stamp.

What is known of a batch there is its id, when it was created, and how many requests it holds. So it *may be* ours if
its id is on no record and it holds as many requests. It must also have been created while a create of ours was on its
way. That is enough to adopt it. It is proven or disproven by its results, which name our jobs: as soon as it has ended,
before one line of it is settled. A batch that is disproven is given back, and the right one is looked for again.

Two creates of one batch make two such batches: one is adopted, the other is a double. A live double is cancelled, one
that has ended is deleted. What no evidence tells apart, docs/FAILURES.md says.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from nightshift.batches import documents as batches
from nightshift.batches.batch import Batch
from nightshift.jobs.settlements import read_jobs
from nightshift.providers import result_line
from nightshift.providers.base import ProviderGone, RemoteBatch
from nightshift.runtime import Runtime
from nightshift.values.lines import LineSplitter

# Two clocks that are both set by the network differ by less.
CLOCK_SLACK: Final = timedelta(minutes=2)
# Jobs that a proof looks for: a few may have been deleted since.
_WITNESSES: Final = 20


def may_be(batch: Batch, remote: RemoteBatch) -> bool:
    """Whether it may be what a create of this batch made."""
    if batch.create_sent_at is None or batch.create_lands_by is None or remote.created_at is None:
        return False
    is_in_time = batch.create_sent_at - CLOCK_SLACK <= remote.created_at <= batch.create_lands_by + CLOCK_SLACK
    return is_in_time and remote.requests == batch.request_count and remote.remote_id not in batch.disowned


def may_double(batch: Batch, remote: RemoteBatch) -> bool:
    """Whether it may be what another create of a batch made that has its own: one that landed late, perhaps."""
    if batch.creates < 2 or batch.create_sent_at is None or remote.created_at is None:
        return False
    is_since = batch.create_sent_at - CLOCK_SLACK <= remote.created_at
    return is_since and remote.requests == batch.request_count and remote.remote_id not in batch.disowned


async def not_disproven(runtime: Runtime, batch: Batch, found: Iterable[RemoteBatch]) -> list[RemoteBatch]:
    """Those that no other batch has on record, and whose results, if they have any yet, name jobs of this batch.

    The proven ones come first, then the oldest. Raises ProviderTrouble.
    """
    proven, open_still = list[RemoteBatch](), list[RemoteBatch]()
    for remote in sorted(found, key=lambda remote: remote.created_at or runtime.now()):
        owner = await batches.with_remote_id(runtime, remote.remote_id)
        if owner is None or owner.batch_id == batch.batch_id:
            proof = await is_proven(runtime, batch, remote)
            if proof is not False:
                (proven if proof else open_still).append(remote)
    return proven + open_still


async def is_proven(runtime: Runtime, batch: Batch, remote: RemoteBatch) -> bool | None:
    """Whether its results name jobs of this batch; None while they name none. Raises ProviderTrouble."""
    witnesses = await _witnesses(runtime, batch, remote)
    if witnesses is None:
        return None
    jobs = await read_jobs(runtime, witnesses)
    return any(job.batch_id == batch.batch_id or batch.batch_id in job.former_batch_ids for job in jobs.values())


async def _witnesses(runtime: Runtime, batch: Batch, remote: RemoteBatch) -> Sequence[str] | None:
    """The first jobs that its results name; None if it has no result yet."""
    if remote.outcome is None or remote.output_file_id is None:
        return None
    found, lines, splitter = list[str](), 0, LineSplitter()
    try:
        async for chunk in runtime.provider_for(batch.lane).results(remote.output_file_id):
            said = [result_line.read(line) for line in splitter.feed(chunk) if line]
            found += [line.job_id for line in said if line]
            lines += len(said)
            if len(found) >= _WITNESSES:
                break
    except ProviderGone:
        return None
    return found[:_WITNESSES] if lines else None
