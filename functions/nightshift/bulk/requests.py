"""The requests of a part's items: a request is the same as that of a job, and is made in the same way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from nightshift.batches.request_page import checked_request_line
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.item_ids import item_id
from nightshift.bulk.part import BulkPart
from nightshift.bulk.stored_rows import StoredRow, read_rows
from nightshift.errors import JobRefused
from nightshift.jobs.job import Job
from nightshift.jobs.request import RequestLine
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.status import PROCESSING

_IMAGES_AT_ONCE: Final = 16


@dataclass(frozen=True, kw_only=True)
class ItemLine:
    """An item and its line in a batch's input; or why it can never be asked for."""

    index: int
    line: RequestLine | JobRefused


def job_for(
    bulk: BulkJob,
    part: BulkPart,
    index: int,
    row: StoredRow | None = None,
    job_input: Mapping[str, Any] = MappingProxyType({}),
) -> Job:
    """An item as a job that is asked for once more: so it is judged by the same rules as any job.

    Args:
        row: None where what is asked does not matter.
        job_input: then what is known of it.
    """
    return Job(
        job_id=item_id(bulk.bulk_id, part.part, index),
        user_id=bulk.user_id,
        type=bulk.type,
        input=(row.input or {}) if row else job_input,
        status=PROCESSING,
        lane=str(part.lane or bulk.lane),
        batch_id=part.batch_id,
        attempts=part.tries.attempts(index) + 1,
        former_batch_ids=(),
        update_time=part.update_time,
        image_generation=row.image_generation if row else None,
        spared=part.tries.spared(index),
        spared_since=part.spared_since,
    )


def unasked_job(bulk: BulkJob, row: StoredRow) -> Job:
    """An item as a job that was never asked for, to see what it takes."""
    return Job(
        job_id="unasked",
        user_id=bulk.user_id,
        type=bulk.type,
        input=row.input or {},
        status=PROCESSING,
        lane=str(bulk.lane),
        batch_id=None,
        attempts=0,
        former_batch_ids=(),
        update_time=bulk.update_time,
        image_generation=row.image_generation,
    )


async def open_items(
    runtime: Runtime, part: BulkPart, is_open: Callable[[int], bool] | None = None
) -> AsyncIterator[list[tuple[int, StoredRow]]]:
    """The items of a part that are open, some at a time, in the order of their index. Raises NotFound and TryLater."""
    async for rows in read_rows(runtime, part):
        found = [(index, row) for index, row in rows if row.is_item and part.states[index] == "open"]
        if is_open:
            found = [(index, row) for index, row in found if is_open(index)]
        if found:
            yield found


async def item_lines(
    runtime: Runtime, lane: Lane, bulk: BulkJob, part: BulkPart, through: int | None = None
) -> AsyncIterator[list[ItemLine]]:
    """The request lines of a part's open items, some at a time. Raises TryLater if an image cannot be reached now.

    Args:
        through: the last index that is asked for; None = all.
    """
    at_once = asyncio.Semaphore(_IMAGES_AT_ONCE)

    async def line_of(index: int, row: StoredRow) -> ItemLine:
        try:
            async with at_once:
                line = await checked_request_line(runtime, lane, job_for(bulk, part, index, row))
        except JobRefused as refusal:
            return ItemLine(index=index, line=refusal)
        return ItemLine(index=index, line=line)

    async for found in open_items(runtime, part):
        asked = [(index, row) for index, row in found if through is None or index <= through]
        if any(_has_object(row) for _, row in asked):
            yield list(await asyncio.gather(*(line_of(index, row) for index, row in asked)))
        elif asked:
            yield [await line_of(index, row) for index, row in asked]
        if len(asked) < len(found):
            return


def _has_object(row: StoredRow) -> bool:
    """Whether Cloud Storage is asked for it. All else of a request is made without waiting, and needs no task."""
    return bool(row.input and (row.input.get("imageUri") or row.input.get("videoUri")))
