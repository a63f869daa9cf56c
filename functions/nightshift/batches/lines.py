"""The lines of a byte_range of a batch's result file: each settles its job once, however often it is read.

Nothing here is recorded line by line. A line whose job has been settled, or was queued again and is elsewhere by now,
finds it no longer `processing` in this batch. It is passed over.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from nightshift.batches import artifacts
from nightshift.batches import documents as batches
from nightshift.batches.batch import Batch
from nightshift.batches.counts import Counts
from nightshift.batches.cutting import ByteRange, ResultFile
from nightshift.batches.tally import Tally, most_spared
from nightshift.jobs import settlements
from nightshift.jobs.fallback import fallback_of
from nightshift.jobs.settlement import (
    Completed,
    Failed,
    Requeued,
    Settlement,
    late_line,
    needs_health,
    settlement_of,
)
from nightshift.providers import result_line
from nightshift.providers.result_line import ResultLine
from nightshift.runtime import Runtime
from nightshift.values.status import CANCELLED, FAILED, PROCESSING
from nightshift.values.trouble import worst
from nightshift.values.usage import NOTHING_USED, Usage

# The lines that are settled together, and how many such portions are on their way to the database at once.
_LINES_AT_ONCE: Final = 150
PORTIONS_AT_ONCE: Final = 4


Read = Callable[[bytes], ResultLine | None]


async def settle_lines(
    runtime: Runtime, batch: Batch, file: ResultFile, byte_range: ByteRange, read: Read = result_line.read
) -> Tally:
    """Settle every line of the byte_range that can be settled; then raise the first trouble that one of them met.

    Args:
        read: reads a line as it was stored.
    """
    in_flight: set[asyncio.Task[Tally]] = set()
    ended: list[Tally | BaseException] = []
    try:
        async for lines in artifacts.lines(runtime, batch.batch_id, file, byte_range, _LINES_AT_ONCE):
            if len(in_flight) == PORTIONS_AT_ONCE:
                done, in_flight = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                ended += [task.exception() or task.result() for task in done]
            in_flight.add(asyncio.create_task(_settle_in_turn(runtime, batch, lines, read)))
    finally:
        ended += await asyncio.gather(*in_flight, return_exceptions=True)
    tally = Tally()
    for outcome in ended:
        if isinstance(outcome, BaseException):
            raise outcome
        tally += outcome
    return tally


async def _settle_in_turn(runtime: Runtime, batch: Batch, lines: list[bytes | None], read: Read) -> Tally:
    async with runtime.instance.portions:
        return await _settle(runtime, batch, lines, read)


async def _settle(runtime: Runtime, batch: Batch, lines: list[bytes | None], read: Read) -> Tally:
    parsed: dict[str, ResultLine] = {}
    malformed = duplicate = unknown = 0
    usage = Usage()
    for line in lines:
        result = read(line) if line else None
        if result is None:
            malformed += 1
        elif result.job_id in parsed:
            duplicate += 1
        else:
            parsed[result.job_id] = result
            usage += result.usage
    jobs = await settlements.read_jobs(runtime, parsed)
    at_end = any(needs_health(job, parsed[job_id].trouble) for job_id, job in jobs.items())
    health = await batches.health(runtime, batch.lane) if at_end else None
    of_types: dict[str, Usage] = {}
    judged, late = [], []
    fallback = fallback_of(runtime, batch.lane)
    for job_id, result in parsed.items():
        job = jobs.get(job_id)
        if job:
            of_types[job.type] = of_types.get(job.type, NOTHING_USED) + result.usage
        if job is None or job.batch_id not in {batch.batch_id, None}:
            unknown += 1
        elif job.status != PROCESSING or job.batch_id is None:
            duplicate += 1
            if line_after_end := late_line(job, batch.lane, batch.batch_id, result):
                late.append(line_after_end)
        else:
            most_attempts = runtime.settings.max_attempts
            judged.append(settlement_of(job, batch.lane, result, most_attempts, batch.stop, fallback, health))
    # A job that was cancelled meanwhile is not what it was judged to be; the database counts such a batch.
    settled = await settlements.settle(runtime, judged)
    await settlements.count_late(runtime, late)
    spared = [again for again in settled if isinstance(again, Requeued) and again.trouble]
    return Tally(
        settled=_counted(settled),
        malformed=malformed,
        duplicate=duplicate,
        unknown=unknown,
        usage=usage,
        trouble=worst(*(again.trouble for again in spared)),
        spared=most_spared((again.job.user_id, again.spared) for again in spared),
        of_types=of_types,
    )


def _counted(settlements: Sequence[Settlement]) -> Counts:
    completed = sum(isinstance(settlement, Completed) for settlement in settlements)
    ended = Counter(settlement.status for settlement in settlements if isinstance(settlement, Failed))
    retried = len(settlements) - completed - ended.total()
    return Counts(completed=completed, failed=ended[FAILED], retried=retried, cancelled=ended[CANCELLED])
