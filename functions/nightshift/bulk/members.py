"""What the batch of a bulk job's part asks for: the part's open items up to an index.

A line settles nothing by itself. While the provider's files are copied, nothing is judged. In the step that closes the
batch, all lines are judged at once. What became of each item is written into one object, in the order of the source.
Then one commit moves the batch, the part and the refund together.

| the process dies | what is left | who goes on |
|---|---|---|
| while the files are copied | the batch as it was | copies again |
| while the object is written | nothing, or an object that the part does not name | judges the same copies again |
| before the commit | the same | the same |
| after the commit | a closed batch, and a part that waits or is closed | the message to a worker, or the tick |

Memory holds a window of the results, the first by their index. A part whose results are larger than the window is
judged once for each window.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import structlog
from google.api_core.exceptions import NotFound

from nightshift import storage
from nightshift.batches import artifacts
from nightshift.batches import documents as batches
from nightshift.batches.asked import MembersAsked
from nightshift.batches.batch import Batch
from nightshift.batches.breakdown import Breakdown
from nightshift.batches.counts import Counts
from nightshift.batches.cutting import ByteRange, ResultFile
from nightshift.batches.members import Closing
from nightshift.batches.tally import Tally
from nightshift.batches.transitions import HeldBatch
from nightshift.bulk import documents, messages, rounds
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.item_ids import index_of
from nightshift.bulk.moving import fallback_lane
from nightshift.bulk.part import BulkPart
from nightshift.bulk.requests import item_lines, job_for
from nightshift.bulk.round import ItemEnd, Round
from nightshift.bulk.stored_rows import read_rows
from nightshift.database.commits import Undecided, attempts
from nightshift.job_types import find
from nightshift.jobs.answer import NoAnswer
from nightshift.jobs.job import Job
from nightshift.jobs.settlement import (
    MOST_SPARED,
    LaneHealth,
    Requeued,
    Settlement,
    retry_or_failure,
    settlement_of,
)
from nightshift.providers import result_line
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.trouble import Trouble, worst
from nightshift.values.usage import NOTHING_USED, Usage

log = structlog.get_logger()

_LINES_AT_ONCE: Final = 150
# What of the results is in memory.
_WINDOW_BYTES: Final = 32 * 1024 * 1024
_UNKNOWN: Final[Mapping[str, Any]] = {}


class PartMembers:
    """See Members, in batches/members.py."""

    settles_at_close = True

    def __init__(self, runtime: Runtime, batch: Batch) -> None:
        self._runtime = runtime
        self._batch = batch
        self._written = 0
        # What `settle_rest` has judged; None where the part has gone on without this batch, or is gone.
        self._judged: tuple[BulkJob, Round, str | None] | None = None

    @property
    def asked(self) -> MembersAsked:
        """As it was put on record with the batch."""
        return self._batch.asked

    async def pages(self) -> AsyncIterator[bytes]:
        """The lines of the items that the batch asks for. One that can never be asked for any more has none."""
        found = await self._find()
        if found is None:
            return
        bulk, part = found
        async for items in item_lines(self._runtime, self._batch.lane, bulk, part, part.through):
            lines = [item.line.line for item in items if not isinstance(item.line, Exception)]
            self._written += len(lines)
            yield b"".join(line + b"\n" for line in lines)

    async def count_claimed(self) -> int:
        """As many as were written."""
        return self._written

    async def is_any_waiting(self) -> bool:
        """Whether the part still waits for this batch."""
        return await self._find() is not None

    async def settle_lines(self, file: ResultFile, byte_range: ByteRange) -> Tally:
        """Nothing: lines are settled when the batch is closed."""
        return Tally()

    async def settle_rest(self, left_out: NoAnswer) -> Tally:
        """Judge all lines of the copies, and what they left out; write the object of the round."""
        found = await self._find()
        if found is None:
            return Tally(usage=self._batch.usage)
        bulk, part = found
        other = await fallback_lane(self._runtime, bulk, part, self._batch.lane)
        judging = _Judging(self._runtime, self._batch, bulk, part, left_out, other)
        await judging.run()
        round_ = judging.round
        self._judged = bulk, round_, judging.name
        counts = Counts(
            completed=round_.completed, failed=round_.failed, retried=round_.retried, cancelled=round_.cancelled
        )
        usage = judging.usage if self._batch.usage == NOTHING_USED else self._batch.usage
        trouble = self._batch.trouble or judging.trouble
        spared = {bulk.user_id: judging.spared} if judging.spared else {}
        return Tally(settled=counts, usage=usage, trouble=trouble, spared=spared)

    async def break_down(self, counts: Counts) -> Breakdown:
        """A part has one type."""
        codes = self._judged[1].codes if self._judged else {}
        return Breakdown(counts=dict.fromkeys(self._batch.asked.types, counts), errors=codes)

    async def close(self, held: HeldBatch, closing: Closing) -> None:
        """Close the batch, move the part, and refund what has failed, in one commit."""
        async for _ in attempts():
            if self._judged is None:
                await held.close(closing)
                return
            bulk, round_, name = self._judged
            part = round_.part
            also = await rounds.move(self._runtime, bulk, round_, name)
            try:
                await held.close(closing, also)
            except Undecided:
                # The wallet was in other hands, or the part is gone.
                found = await self._find()
                self._judged = (found[0], round_.of(found[1]), name) if found else None
                continue
            log.info("bulk_part_closed", bulk_id=part.bulk_id, part=part.part, **round_.counts.fields())
            await messages.call_workers(self._runtime, [part.bulk_id])
            return

    async def _find(self) -> tuple[BulkJob, BulkPart] | None:
        """The part, if it still waits for this batch."""
        source = self._batch.source
        assert source, "a part's batch has its source on record"  # noqa: S101 - `members_of` asks for it
        bulk = await documents.read(self._runtime, source.bulk_id)
        part = await documents.read_part(self._runtime, source.bulk_id, source.part) if bulk else None
        if bulk is None or part is None or (part.batch_id, part.round) != (self._batch.batch_id, source.round):
            return None
        return bulk, part


class _Judging:
    """The reading of a batch's result files."""

    def __init__(
        self, runtime: Runtime, batch: Batch, bulk: BulkJob, part: BulkPart, left_out: NoAnswer, other: Lane | None
    ) -> None:
        self.round = Round(part)
        self.usage = Usage()
        self.trouble: Trouble | None = None
        self.spared = 0
        # Of the object that says how items ended; None if none has.
        self.name: str | None = None
        self._inputs: dict[int, Mapping[str, Any]] = {}
        self._runtime = runtime
        self._batch = batch
        self._bulk = bulk
        self._part = part
        self._left_out = left_out
        # Where the part goes if its lane is late or broken; None = nowhere.
        self._other = other
        # Of the lane; read where an item has come back so often that it matters.
        self._health: LaneHealth | None = None
        through = part.rows - 1 if part.through is None else part.through
        self._asked = {index for index in range(through + 1) if part.states[index] == "open"}

    async def run(self) -> None:
        """Judge everything, and write the object of the round if an item has ended."""
        await self._read_what_judges()
        if any(self._part.tries.spared(index) >= MOST_SPARED for index in self._asked):
            self._health = await batches.health(self._runtime, self._batch.lane)
        window = _Window()
        seen: set[int] = set()
        async for index, settlement, usage in self._settlements():
            seen.add(index)
            self.usage += usage
            self._settle(index, settlement, window)
        for index in sorted(await self._without_a_line(seen)):
            self._settle(index, self._rest(index), window)
        if self.round.completed or self.round.refunded:
            self.name = await rounds.write_lines(self._runtime, self._part, self._in_order(window))

    async def _read_what_judges(self) -> None:
        """Read of the items' inputs the fields by which their type judges answers; most types need none."""
        wanted = find(self._bulk.type).judged_by
        if not wanted:
            return
        async for rows in read_rows(self._runtime, self._part):
            for index, row in rows:
                if row.input:
                    self._inputs[index] = {name: row.input[name] for name in wanted if name in row.input}

    async def _without_a_line(self, seen: set[int]) -> set[int]:
        """The items that were asked for, and that no line names."""
        rest = self._asked - seen
        if not rest or not self._has_rows_without_items():
            return rest
        items: set[int] = set()
        async for rows in read_rows(self._runtime, self._part):
            items |= {index for index, row in rows if row.is_item}
        return rest & items

    def _has_rows_without_items(self) -> bool:
        """Whether there are duplicates, whose states say nothing."""
        return self._part.counts.total != self._part.rows

    def _settle(self, index: int, settlement: Settlement, window: "_Window") -> None:
        if isinstance(settlement, Requeued) and settlement.trouble:
            self.trouble = worst(self.trouble, settlement.trouble)
            self.spared = max(self.spared, settlement.spared)
        if end := self.round.settle(index, settlement):
            window.add(end)

    async def _in_order(self, window: "_Window") -> AsyncIterator[bytes]:
        """How the items ended, by their index: the first window is in memory, the others are judged again."""
        for line in window.lines():
            yield line
        while window.is_cut:
            window = _Window(behind=window.last)
            seen: set[int] = set()
            async for index, settlement, _ in self._settlements():
                seen.add(index)
                if end := Round(self._part).settle(index, settlement):
                    window.add(end)
            for index in await self._without_a_line(seen):
                if end := Round(self._part).settle(index, self._rest(index)):
                    window.add(end)
            for line in window.lines():
                yield line

    def _rest(self, index: int) -> Settlement:
        job = job_for(self._bulk, self._part, index)
        most, stop = self._runtime.settings.max_attempts, self._batch.stop
        return retry_or_failure(job, self._left_out, most, stop, self._fallback, self._health)

    def _fallback(self, _: Job) -> Lane | None:
        return self._other

    async def _settlements(self) -> AsyncIterator[tuple[int, Settlement, Usage]]:
        """What each line of the copies is worth, the first line of each item only."""
        seen: set[int] = set()
        batch, settings = self._batch, self._runtime.settings
        files: tuple[tuple[ResultFile, str | None], ...] = (
            ("output", batch.output_file_id),
            ("errors", batch.error_file_id),
        )
        for file, file_id in files:
            if not file_id:
                continue
            async for line in self._lines(artifacts.path_of(batch.batch_id, file)):
                result = result_line.read(line)
                index = index_of(result.job_id, self._part.bulk_id, self._part.part) if result else None
                if result is None or index is None or index not in self._asked or index in seen:
                    continue
                seen.add(index)
                job = job_for(self._bulk, self._part, index, job_input=self._inputs.get(index, _UNKNOWN))
                settlement = settlement_of(
                    job, batch.lane, result, settings.max_attempts, batch.stop, self._fallback, self._health
                )
                yield index, settlement, result.usage

    async def _lines(self, path: str) -> AsyncIterator[bytes]:
        try:
            async for lines in storage.lines(self._runtime, path, _LINES_AT_ONCE):
                for line in lines:
                    if line is not None:
                        yield line
        except NotFound:
            # It was given up when it could not be copied.
            log.warning("result_file_given_up", file=path.rpartition("/")[2].removesuffix(".jsonl"), error="NotFound")


class _Window:
    """The first lines by their index, as many as fit."""

    def __init__(self, behind: int = -1) -> None:
        self._behind = behind
        self._lines: dict[int, bytes] = {}
        self._bytes = 0
        # Whether lines were left out, and the last index that may be in.
        self.is_cut = False
        self._until: int | None = None

    @property
    def last(self) -> int:
        """The last index that is in."""
        return max(self._lines, default=self._behind)

    def add(self, end: ItemEnd) -> None:
        """Take a line in, if it is among the first."""
        if end.index <= self._behind:
            return
        if self._until is not None and end.index >= self._until:
            self.is_cut = True
            return
        line = rounds.line_of(end)
        self._lines[end.index] = line
        self._bytes += len(line)
        while self._bytes > _WINDOW_BYTES and len(self._lines) > 1:
            self._until = max(self._lines)
            self._bytes -= len(self._lines.pop(self._until))
            self.is_cut = True

    def lines(self) -> Iterator[bytes]:
        """Those that are in, in their order."""
        for index in sorted(self._lines):
            yield self._lines[index]
