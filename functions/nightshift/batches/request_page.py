"""The request lines of some jobs, for the input file of a batch."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from nightshift.batches.limits import line_usd
from nightshift.errors import JobRefused, TryLater
from nightshift.jobs import settlements
from nightshift.jobs.job import Job
from nightshift.jobs.request import RequestLine, request_line
from nightshift.jobs.settlement import Failed, failure
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.texts import Text

log = structlog.get_logger()

_IMAGES_AT_ONCE: Final = 16
# How long a batch whose assembler died waits for an image of its jobs; then it goes without that job.
IMAGE_PATIENCE: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class RequestPage:
    """The request lines of some jobs, in their order, and how many have none."""

    lines: list[RequestLine]
    # They can never be sent, and have failed.
    refused: int
    # Their images could not be reached now.
    unreachable: int


async def request_page(runtime: Runtime, lane: Lane, jobs: Sequence[Job]) -> RequestPage:
    """Build the lines of these jobs. A job that can never be sent fails here."""
    at_once = asyncio.Semaphore(_IMAGES_AT_ONCE)

    async def line_of(job: Job) -> RequestLine | Failed | None:
        try:
            async with at_once:
                return await checked_request_line(runtime, lane, job)
        except JobRefused as refusal:
            return failure(job, refusal.code, refusal.message, refusal.reason)
        except TryLater as trouble:
            log.warning("image_unreachable", job_id=job.job_id, reason=str(trouble))
            return None

    built = await asyncio.gather(*(line_of(job) for job in jobs))
    refused = [failed for failed in built if isinstance(failed, Failed)]
    await settlements.settle(runtime, refused)
    lines = [line for line in built if isinstance(line, RequestLine)]
    return RequestPage(lines=lines, refused=len(refused), unreachable=built.count(None))


async def checked_request_line(runtime: Runtime, lane: Lane, job: Job) -> RequestLine:
    """The line that asks for a job's answer in a batch. Raises JobRefused and TryLater."""
    line = await request_line(runtime, lane, job)
    if len(line.line) >= min(runtime.settings.max_batch_bytes, runtime.provider_for(lane).traits.max_bytes):
        raise JobRefused("invalid_input", Text.REQUEST_TOO_LARGE.say(), "its line is larger than a batch may be")
    budget_usd = runtime.settings.daily_budget_usd
    if budget_usd and line_usd(lane, line.expected) > budget_usd:
        # It would hold up its lane for ever.
        raise JobRefused("invalid_input", Text.REQUEST_TOO_LARGE.say(), "its estimate is above the whole day's budget")
    return line


def joined(lines: Sequence[RequestLine]) -> bytes:
    """The lines as a file has them."""
    return b"".join(line.line + b"\n" for line in lines)
