"""A job's request: the same whether it travels in a batch or alone."""

from nightshift import job_types
from nightshift.images import uploads
from nightshift.jobs.job import Job
from nightshift.providers.request_line import RequestLine
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane


async def request_line(runtime: Runtime, lane: Lane, job: Job) -> RequestLine:
    """Build the line that asks for a job's answer.

    Raises:
        JobRefused: it can never be asked for.
        TryLater: its image cannot be reached now.
    """
    job_type = job_types.find(job.type)
    job_input = job_type.check_input(job.input)
    image_url = None
    if job_input.imageUri:
        image_url = await uploads.image_url(runtime, job.user_id, job_input.imageUri, job.image_generation)
    return runtime.provider.request_line(job.job_id, job_type, job_input, image_url, lane.model)
