"""What a batch asks for: job documents, or the items of a bulk job's part.

The steps of a batch are the same for both. Where they touch what is asked for, they call one of two implementations:
`JobMembers` below, whose truth are the jobs' own documents, and `PartMembers` of the bulk room. Four things differ: the
request lines, the settling of result lines, what the files left out, and the counts.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nightshift.batches import documents as batches
from nightshift.batches.asked import MembersAsked
from nightshift.batches.batch import Batch
from nightshift.batches.breakdown import Breakdown
from nightshift.batches.counts import Counts
from nightshift.batches.cutting import ByteRange, ResultFile
from nightshift.batches.lines import settle_lines
from nightshift.batches.request_page import IMAGE_PATIENCE, joined, request_page
from nightshift.batches.tally import Tally, most_spared
from nightshift.errors import TryLater
from nightshift.jobs import settlements
from nightshift.jobs.answer import NoAnswer
from nightshift.jobs.fallback import fallback_of
from nightshift.jobs.settlement import Requeued, needs_health, retry_or_failure
from nightshift.runtime import Runtime
from nightshift.values.outcome import Outcome
from nightshift.values.usage import Usage

if TYPE_CHECKING:
    from nightshift.batches.transitions import HeldBatch


@dataclass(frozen=True, kw_only=True)
class Closing:
    """What is on record of a batch once it is closed."""

    outcome: Outcome
    counts: Counts
    usage: Usage
    # None if the model has no listed price, like `realtime_cost_usd`, the price of answers in real time.
    cost_usd: float | None
    realtime_cost_usd: float | None
    breakdown: Breakdown


class Members(Protocol):
    """What one batch asks for."""

    # Whether lines are settled in the commit that closes the batch, and not while the files are read.
    settles_at_close: bool

    @property
    def asked(self) -> MembersAsked:
        """What there is to say of them, once their lines were written."""
        ...

    def pages(self) -> AsyncIterator[bytes]:
        """The request lines of all that has no answer yet, some whole lines at a time. Raises TryLater."""
        ...

    async def count_claimed(self) -> int:
        """How many requests a batch has that was not sent yet, once its lines were written."""
        ...

    async def is_any_waiting(self) -> bool:
        """Whether any still waits for its line."""
        ...

    async def settle_lines(self, file: ResultFile, byte_range: ByteRange) -> Tally:
        """Settle every line of the byte_range that can be settled; then raise the first trouble that one met."""
        ...

    async def settle_rest(self, left_out: NoAnswer) -> Tally:
        """Settle what has no line, by this reason. Returns what became of all that the batch asked for."""
        ...

    async def break_down(self, counts: Counts) -> Breakdown:
        """How they ended by type, and why they failed, once `settle_rest` is done."""
        ...

    async def close(self, held: "HeldBatch", closing: Closing) -> None:
        """Close the batch, in one commit with what was left to that."""
        ...


class JobMembers:
    """The job documents that are claimed into a batch."""

    settles_at_close = False

    def __init__(self, runtime: Runtime, batch: Batch) -> None:
        self.asked = MembersAsked(types=batch.asked.types)
        self._runtime = runtime
        self._batch = batch

    async def pages(self) -> AsyncIterator[bytes]:
        """See Members."""
        runtime, batch = self._runtime, self._batch
        async for jobs in batches.processing_jobs(runtime, batch.batch_id):
            self.asked += MembersAsked.of_jobs(jobs)
            page = await request_page(runtime, batch.lane, jobs)
            if page.unreachable and runtime.now() < batch.created_at + IMAGE_PATIENCE:
                raise TryLater("the image of a claimed job cannot be reached now")
            yield joined(page.lines)

    async def count_claimed(self) -> int:
        """See Members. A job that ended meanwhile is its job, too: it can never be sent, or it was cancelled."""
        return await batches.count_claimed(self._runtime, self._batch.batch_id)

    async def is_any_waiting(self) -> bool:
        """See Members."""
        return await batches.is_any_processing(self._runtime, self._batch.batch_id)

    async def settle_lines(self, file: ResultFile, byte_range: ByteRange) -> Tally:
        """See Members."""
        return await settle_lines(self._runtime, self._batch, file, byte_range)

    async def settle_rest(self, left_out: NoAnswer) -> Tally:
        """See Members.

        If one reading of the lines settled every job, its counts are the batch's. Otherwise, since a repeated reading
        counts only what was left to it, they are counted by the database.
        """
        runtime, batch = self._runtime, self._batch
        if batch.counts.total == batch.job_count:
            return Tally(settled=batch.counts, usage=batch.usage, trouble=batch.trouble, spared=batch.spared)
        spared = batch.spared
        most_attempts, fallback = runtime.settings.max_attempts, fallback_of(runtime, batch.lane)
        async for jobs in batches.processing_jobs(runtime, batch.batch_id):
            at_end = any(needs_health(job, left_out.trouble) for job in jobs)
            health = await batches.health(runtime, batch.lane) if at_end else None
            judged = [retry_or_failure(job, left_out, most_attempts, batch.stop, fallback, health) for job in jobs]
            await settlements.settle(runtime, judged)
            came_back = [again for again in judged if isinstance(again, Requeued) and again.trouble]
            spared = most_spared([*spared.items(), *((again.job.user_id, again.spared) for again in came_back)])
        counts = await batches.count_jobs(runtime, batch)
        return Tally(settled=counts, usage=batch.usage, trouble=batch.trouble, spared=spared)

    async def break_down(self, counts: Counts) -> Breakdown:
        """See Members."""
        return await batches.break_down(self._runtime, self._batch, counts)

    async def close(self, held: "HeldBatch", closing: Closing) -> None:
        """See Members."""
        await held.close(closing)


def members_of(runtime: Runtime, batch: Batch) -> Members:
    """What a batch asks for."""
    return runtime.instance.part_members(batch) if batch.source else JobMembers(runtime, batch)
