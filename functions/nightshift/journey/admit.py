"""Admit: `created` → `queued` or `failed`.

Everything is checked before the one commit that charges and queues; jobs of one user that come at once share it. A
crash before it leaves them `created`, and their events are delivered again, or the tick finds them; a crash after it
leaves them `queued`, and any later trigger or tick submits them. A second delivery finds a status that is no longer
`created`.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from nightshift import job_types
from nightshift.job_types.base import JobType, reasons
from nightshift.log import left_to_the_next_tick, where_raised
from nightshift.model.errors import JobRefused, TryLater
from nightshift.model.job import JobRequest, check_job_id
from nightshift.model.lane import Lane
from nightshift.runtime import Budget, Runtime
from nightshift.store import admissions, charges, uploads
from nightshift.store.admissions import Written

log = structlog.get_logger()

_RESCUES_AT_ONCE = 16


async def admit(runtime: Runtime, job_id: str) -> Lane | None:
    """Charge and queue a job, or refuse it.

    Returns:
        The lane in which the job waits now; None if it was refused, or went further already.
    """
    job = await admissions.read(runtime, job_id)
    if job is None:
        return None
    match job.fields.get("status"):
        case "created":
            return await _admit(runtime, job)
        case "queued":
            return _lane_on_record(job)
        case _:
            return None


async def rescue(runtime: Runtime, budget: Budget) -> int:
    """Admit the jobs whose event was lost. Returns how many were queued."""
    latest = runtime.now() - timedelta(seconds=runtime.settings.rescue_seconds)
    rescued = 0
    async for jobs in _bunches(admissions.created_before(runtime, latest)):
        outcomes = await asyncio.gather(*(_admit(runtime, job) for job in jobs), return_exceptions=True)
        for job, outcome in zip(jobs, outcomes, strict=True):
            # One job that cannot be admitted now must not keep the others waiting.
            if isinstance(outcome, TryLater):
                left_to_the_next_tick("rescue", outcome, job_id=job.job_id)
            elif isinstance(outcome, BaseException):
                where = where_raised(outcome)
                log.error("rescue_failed", job_id=job.job_id, error=type(outcome).__name__, where=where)
        rescued += sum(isinstance(outcome, Lane) for outcome in outcomes)
        if budget.is_spent:
            break
    return rescued


async def _admit(runtime: Runtime, job: Written) -> Lane | None:
    title = "Your request"
    try:
        request = _check_request(job)
        job_type = job_types.find(request.type)
        title = job_type.title
        await _check_input(runtime, job_type, request)
        lane = _lane_of(runtime, job_type)
        tokens = job_type.tokens[request.speed]
        await charges.charge_and_queue(runtime, job, lane=lane, tokens=tokens, priority=request.priority)
    except JobRefused as refusal:
        await admissions.refuse(runtime, job, refusal, title)
        log.info("job_refused", job_id=job.job_id, code=refusal.code)
        return None
    log.info("job_queued", job_id=job.job_id, lane=str(lane))
    return lane


def _lane_on_record(job: Written) -> Lane | None:
    try:
        return Lane.parse(job.fields.get("lane"))
    except ValueError:
        # Somebody damaged the document; no redelivery mends it, and the audit names it.
        log.error("lane_unreadable", job_id=job.job_id)
        return None


def _check_request(job: Written) -> JobRequest:
    check_job_id(job.job_id)
    try:
        return JobRequest.model_validate(dict(job.fields))
    except ValidationError as invalid:
        raise JobRefused("invalid_input", f"The job is not valid: {reasons(invalid)}.") from None


async def _check_input(runtime: Runtime, job_type: JobType[Any], request: JobRequest) -> None:
    job_input = job_type.check_input(request.input)
    if job_input.imageUri:
        await uploads.check_image(runtime, request.userId, job_input.imageUri)


def _lane_of(runtime: Runtime, job_type: JobType[Any]) -> Lane:
    return Lane(
        provider=runtime.provider.name,
        endpoint=runtime.provider.endpoint,
        model=job_type.model or runtime.settings.model,
    )


async def _bunches(jobs: AsyncIterator[Written]) -> AsyncIterator[list[Written]]:
    bunch: list[Written] = []
    async for job in jobs:
        bunch.append(job)
        if len(bunch) == _RESCUES_AT_ONCE:
            yield bunch
            bunch = []
    if bunch:
        yield bunch
