"""Read: `reading` → `quoted`. Rows become parts, each with the place in the source where it ends.

| the process dies | what is left | who goes on |
|---|---|---|
| while a part's rows are gathered | the parts before it | reads on at the byte behind them |
| after the rows were written | an object that no document names | the same |
| after the part was created | the part | reads on behind it |

A part is created, never set. So of two processes that read the same, the second learns that it is late, and reads on
behind the part that there is. Memory holds the rows of one part, at most some megabytes.

A row that can never be answered is an item that has failed. It has a reason, and is never charged.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

import structlog
from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift import job_types
from nightshift.bulk import documents, refusals, skipping, stored_rows, transitions
from nightshift.bulk.bulk_job import MOST_FIRST_ERRORS, BulkJob, BulkQuote, BulkRequest
from nightshift.bulk.check import checked_request
from nightshift.bulk.counts import BulkCounts
from nightshift.bulk.forecast import LeftToDo, forecast
from nightshift.bulk.requests import unasked_job
from nightshift.bulk.row_inputs import RowInputs
from nightshift.bulk.source.row import Row
from nightshift.bulk.source_rows import SourceRows
from nightshift.bulk.states import States
from nightshift.bulk.stored_rows import StoredRow
from nightshift.database.commits import Commit, Undecided
from nightshift.database.leases import LeaseHolder
from nightshift.errors import JobRefused, LeaseHeld, NeverLands
from nightshift.images import uploads
from nightshift.job_types.base import JobType
from nightshift.jobs.request import unaddressed_request
from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd
from nightshift.providers.estimate import expected_usage
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.lane import Lane
from nightshift.values.speed import Speed
from nightshift.values.texts import Text
from nightshift.values.usage import Usage

log = structlog.get_logger()

_IMAGES_AT_ONCE: Final = 16
_ROWS_AT_ONCE: Final = 200
# A part of long rows has fewer of them.
_MOST_PART_BYTES: Final = 8 * 1024 * 1024


@dataclass(kw_only=True)
class _Sums:
    """What was read so far, as each part's document keeps it."""

    batch_usd: float = 0.0
    instant_usd: float = 0.0
    duplicates: int = 0
    skipped: int = 0

    def fields(self) -> dict[str, Any]:
        return {
            "batchUsd": self.batch_usd,
            "instantUsd": self.instant_usd,
            "duplicates": self.duplicates,
            "skipped": self.skipped,
        }


@dataclass(kw_only=True)
class _Gathered:
    """The rows of a part while they are gathered."""

    rows: list[StoredRow] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    bytes: int = 0

    def add(self, row: StoredRow) -> None:
        line = row.line()
        self.rows.append(row)
        self.lines.append(line)
        self.bytes += len(line)


async def read_on(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder, time_limit: TimeLimit) -> bool:
    """Read the source on, until its end, a cancellation or the time limit.

    Returns:
        Whether the bulk job has moved on; False if there is more to read.

    Raises:
        LeaseHeld: another process reads it.
        TryLater: the source cannot be read now.
    """
    await holder.on_record()
    try:
        async with holder.renewed():
            reading = await _Reading.begun(runtime, bulk)
            is_whole = await reading.run(time_limit)
            if not is_whole:
                return reading.is_cancelled
            await reading.finish(holder)
    except JobRefused as refusal:
        await refusals.refuse(runtime, bulk, holder, refusal)
    except NeverLands:
        # Whatever of it is too large for a document: no other reading would end.
        reason = "a part's document, or the quote, is too large"
        await refusals.refuse(runtime, bulk, holder, JobRefused("invalid_input", Text.REQUEST_TOO_LARGE.say(), reason))
    return True


class _Reading:
    """The reading of one source."""

    def __init__(self, runtime: Runtime, bulk: BulkJob, request: BulkRequest, lane: Lane) -> None:
        self.is_cancelled = False
        self._runtime = runtime
        self._bulk = bulk
        self._request = request
        self._lane = lane
        self._job_type: JobType[Any] = job_types.find(request.type)
        self._inputs = RowInputs(request.template, request.keyColumn, self._job_type)
        self._sums = _Sums()
        self._image_types = runtime.provider_for(lane).traits.image_types
        self._part = 0
        self._checkpoint: Mapping[str, Any] | None = None
        # Of each request its first row, where equal ones are asked once.
        self._asked: dict[bytes, int] = {}
        self._skipped_keys: frozenset[bytes] = frozenset()

    @classmethod
    async def begun(cls, runtime: Runtime, bulk: BulkJob) -> "_Reading":
        """The reading behind the parts that there are."""
        assert bulk.lane, "a checked bulk job has its lane on record"  # noqa: S101 - `begin_reading` writes both
        reading = cls(runtime, bulk, await checked_request(runtime, bulk), bulk.lane)
        last = await documents.last_part(runtime, bulk.bulk_id)
        if last:
            ends_at = last.ends_at
            reading._sums = _Sums(
                batch_usd=ends_at["batchUsd"],
                instant_usd=ends_at["instantUsd"],
                duplicates=ends_at["duplicates"],
                skipped=ends_at["skipped"],
            )
            reading._part, reading._checkpoint = last.part, ends_at["checkpoint"]
        if reading._request.skip:
            reading._skipped_keys = await skipping.completed_keys(runtime, bulk.user_id, reading._request.skip)
        if reading._request.dedupe and last:
            await reading._recall()
        return reading

    async def run(self, time_limit: TimeLimit) -> bool:
        """Make part after part; returns whether the source is read to its end."""
        source = SourceRows(self._runtime, self._bulk, self._request, self._checkpoint)
        gathered = _Gathered()
        while rows := await source.next_rows(min(_ROWS_AT_ONCE, self._bulk.part_items - len(gathered.rows))):
            if source.has_all_columns:
                self._inputs.check_columns(source.columns)
            if rows[-1].number > self._runtime.settings.max_bulk_items:
                most = self._runtime.settings.max_bulk_items
                raise JobRefused("invalid_input", Text.TABLE_TOO_LONG.say(rows=most))
            for row in await self._stored(rows):
                if row is not None:
                    gathered.add(row)
            if len(gathered.rows) >= self._bulk.part_items or gathered.bytes >= _MOST_PART_BYTES:
                await self._create_part(gathered, source.checkpoint_fields())
                gathered = _Gathered()
                if await self._is_over(time_limit):
                    return False
        if gathered.rows:
            await self._create_part(gathered, source.checkpoint_fields())
        self._inputs.check_columns(source.columns)
        if not self._part:
            raise JobRefused("invalid_input", Text.TABLE_EMPTY.say())
        return True

    async def finish(self, holder: LeaseHolder) -> None:
        """Quote what was read."""
        runtime, bulk = self._runtime, self._bulk
        parts = await documents.whole_parts(runtime, bulk.bulk_id)
        counts = sum((part.counts for part in parts), BulkCounts())
        speed = self._speed(counts.open)
        usd = self._sums.instant_usd if speed == "instant" else self._sums.batch_usd
        is_priced = realtime_cost_usd(self._lane.provider, self._lane.model, _ONE) is not None
        quoted = BulkQuote(
            items=counts.open,
            invalid=counts.failed,
            tokens=counts.open * self._job_type.tokens["batch"],
            tokens_instant=counts.open * self._job_type.tokens["instant"],
            estimated_usd=usd if is_priced else None,
            duplicates=self._sums.duplicates,
            skipped=self._sums.skipped,
        )
        errors = [error for part in parts for error in part.first_errors][:MOST_FIRST_ERRORS]
        waiting = sum(part.status == "waiting" for part in parts)
        eta = await forecast(runtime, bulk, LeftToDo(waiting=waiting, open=counts.open), speed)
        await transitions.quote(
            holder, quoted, speed=speed, parts=len(parts), counts=counts, first_errors=errors, eta=eta
        )
        log.info("bulk_quoted", bulk_id=bulk.bulk_id, items=counts.open, invalid=counts.failed, parts=len(parts))

    def _speed(self, items: int) -> Speed:
        if self._request.mode == "auto":
            return "instant" if items < self._runtime.settings.bulk_threshold else "batch"
        return self._request.mode

    async def _stored(self, rows: list[Row]) -> list[StoredRow | None]:
        """The rows as they are kept; None for one that is left out."""
        at_once = asyncio.Semaphore(_IMAGES_AT_ONCE)
        found = [self._built(row) for row in rows]

        async def check(place: int, row: StoredRow, given: Mapping[str, Any]) -> None:
            async with at_once:
                found[place] = await self._with_checked_upload(row, given)

        # Without a photo or a video there is nothing to wait for, and no task is needed.
        given = [(place, row, row.input) for place, row in enumerate(found) if row and row.input]
        await asyncio.gather(*(check(*each) for each in given if each[2].get("imageUri") or each[2].get("videoUri")))
        return [self._counted(row) for row in found]

    def _built(self, row: Row) -> StoredRow | None:
        key = self._inputs.key_of(row)
        if key is not None and self._skipped_keys and skipping.digest(key) in self._skipped_keys:
            self._sums.skipped += 1
            return None
        try:
            job_input = self._inputs.input_of(row)
        except JobRefused as refusal:
            return StoredRow(row=row.number, columns=row.columns, key=key, error=(refusal.code, refusal.message))
        return StoredRow(row=row.number, columns=row.columns, key=key, input=job_input)

    async def _with_checked_upload(self, row: StoredRow, given: Mapping[str, Any]) -> StoredRow:
        runtime, user_id, generation = self._runtime, self._bulk.user_id, None
        try:
            if uri := given.get("imageUri"):
                generation = await uploads.check_image(runtime, user_id, str(uri), self._image_types)
            elif uri := given.get("videoUri"):
                generation = await uploads.check_video(runtime, user_id, str(uri))
        except JobRefused as refusal:
            return replace(row, input=None, error=(refusal.code, refusal.message))
        return replace(row, image_generation=generation)

    def _counted(self, row: StoredRow | None) -> StoredRow | None:
        if row is None or not row.is_item:
            return row
        if self._request.dedupe:
            asked = _digest(row)
            first = self._asked.setdefault(asked, row.row)
            if first != row.row:
                self._sums.duplicates += 1
                return replace(row, input=None, image_generation=None, same_as=first)
        expected = expected_usage(unaddressed_request(self._lane, unasked_job(self._bulk, row)))
        provider, model = self._lane.provider, self._lane.model
        self._sums.batch_usd += batch_cost_usd(provider, model, expected) or 0.0
        self._sums.instant_usd += realtime_cost_usd(provider, model, expected) or 0.0
        return row

    async def _create_part(self, gathered: _Gathered, checkpoint: Mapping[str, Any]) -> None:
        """Create the next part. Raises LeaseHeld if another process was faster."""
        runtime, bulk, number = self._runtime, self._bulk, self._part + 1
        rows = gathered.rows
        states = States(len(rows))
        for index, row in enumerate(rows):
            if row.error:
                states[index] = "failed"
        failed = [row for row in rows if row.error]
        counts = BulkCounts(open=sum(row.is_item for row in rows), failed=len(failed))
        name = await stored_rows.write_rows(runtime, bulk.bulk_id, number, b"".join(gathered.lines))
        errors = [
            {"row": row.row, "code": row.error[0], "message": row.error[1]}
            for row in failed[:MOST_FIRST_ERRORS]
            if row.error
        ]
        commit = Commit(runtime)
        commit.create(
            documents.part_ref(runtime, bulk.bulk_id, number),
            {
                "userId": bulk.user_id,
                "part": number,
                "status": "waiting" if counts.open else "closed",
                "firstRow": rows[0].row,
                "lastRow": rows[-1].row,
                "rows": len(rows),
                "rowsName": name,
                "counts": counts.fields(),
                "states": states.packed(),
                "round": 1,
                "rounds": [],
                "firstErrors": errors,
                "endsAt": {"checkpoint": dict(checkpoint), **self._sums.fields()},
                "createdAt": SERVER_TIMESTAMP,
                "updatedAt": SERVER_TIMESTAMP,
            },
        )
        try:
            await commit.send()
        except Undecided as doubt:
            created = await documents.read_part(runtime, bulk.bulk_id, number)
            if created is None:
                raise
            if created.rows_name != name:
                raise LeaseHeld("another process reads this source") from doubt
        self._part = number

    async def _is_over(self, time_limit: TimeLimit) -> bool:
        """Whether the reading stops here: its time is over, or the bulk job is to be cancelled."""
        bulk = await documents.read(self._runtime, self._bulk.bulk_id)
        self.is_cancelled = bulk is None or bulk.is_cancelling or bulk.status != "reading"
        return self.is_cancelled or time_limit.is_over

    async def _recall(self) -> None:
        """Learn again what the parts before ask for."""
        for part in await documents.whole_parts(self._runtime, self._bulk.bulk_id):
            async for rows in stored_rows.read_rows(self._runtime, part):
                for _, row in rows:
                    if row.is_item:
                        self._asked.setdefault(_digest(row), row.row)


def _digest(row: StoredRow) -> bytes:
    """What tells equal requests from others: input and the content of the image."""
    asked = json.dumps([row.input, row.image_generation], sort_keys=True)
    return sha256(asked.encode("utf-8", "surrogatepass")).digest()[:16]


# One token, to ask whether a model has a listed price.
_ONE: Final = Usage(input_tokens=1)
