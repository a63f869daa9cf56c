"""A job's request: the same whether it travels in a batch or alone."""

from dataclasses import dataclass, replace

from nightshift import job_types
from nightshift.images import uploads
from nightshift.jobs.job import Job
from nightshift.providers.estimate import expected_usage
from nightshift.providers.request import Request
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.usage import Usage


@dataclass(frozen=True, kw_only=True)
class RequestLine:
    """A request as its provider wants it in a batch: a line without its newline."""

    job_id: str
    line: bytes
    expected: Usage


async def request(runtime: Runtime, lane: Lane, job: Job) -> Request:
    """What is asked for a job.

    Raises:
        JobRefused: it can never be asked for.
        TryLater: its image cannot be reached now.
    """
    asked = unaddressed_request(lane, job)
    if uri := asked.image:
        asked = replace(asked, image=await uploads.image_url(runtime, job.user_id, uri, job.image_generation))
    if uri := asked.video:
        asked = replace(asked, video=await uploads.video_url(runtime, job.user_id, uri, job.image_generation))
    return asked


def unaddressed_request(lane: Lane, job: Job) -> Request:
    """The same, its image or video by its own URI, which no provider can fetch. Raises JobRefused."""
    job_type = job_types.find(job.type)
    job_input = job_type.check_input(job.input)
    return Request(
        job_id=job.job_id,
        model=lane.model,
        instructions=job_type.instructions,
        text=job_type.words(job_input),
        image=job_input.imageUri or None,
        video=job_input.video_uri,
        schema=job_type.schema(),
        schema_text=job_type.schema_text(),
        schema_name=job_type.name,
        dimensions=job_type.dimensions,
        max_output_tokens=job_type.max_output_tokens,
    )


async def request_line(runtime: Runtime, lane: Lane, job: Job) -> RequestLine:
    """The line that asks for a job's answer in a batch. Raises as above."""
    asked = await request(runtime, lane, job)
    line = runtime.provider_for(lane).request_line(asked)
    return RequestLine(job_id=job.job_id, line=line, expected=expected_usage(asked))
