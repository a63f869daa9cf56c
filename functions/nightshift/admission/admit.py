"""Admit: `created` → `queued`, `processing` in real time, or `failed`.

Everything is checked before the one commit that charges and starts. Jobs of one user that come at once share it. A
crash before it leaves them `created`: their events are delivered again, or the tick finds them. A crash after it leaves
them `queued`: any later trigger or tick submits them. A second delivery finds a status that is no longer `created`.

The instance that admits an instant job has it for the length of a lease. A second delivery fails while the lease lasts,
so it comes again. After the lease, it takes the job up.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import Any, Final

import structlog
from pydantic import ValidationError

from nightshift import job_types
from nightshift.admission import charges
from nightshift.admission.charges import Start
from nightshift.errors import JobRefused, LeaseHeld, TryLater
from nightshift.images import uploads
from nightshift.images.image_uri import is_web_address
from nightshift.instant import transitions as realtime
from nightshift.instant.realtime import Taken, is_due, is_under_way
from nightshift.job_types.base import JobType, reasons
from nightshift.jobs import created
from nightshift.jobs.created import JobDocument
from nightshift.jobs.documents import job_from
from nightshift.jobs.job import JobRequest
from nightshift.jobs.lane import lane_for
from nightshift.log import left_to_the_next_tick, where_raised
from nightshift.providers.registry import TRAITS
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.ids import check_job_id
from nightshift.values.lane import Lane
from nightshift.values.status import CREATED
from nightshift.values.texts import Text

log = structlog.get_logger()

_RESCUES_AT_ONCE: Final = 16
# An app that asks for an answer in exactly an hour computes that before its document reaches the database.
_NEAR_ENOUGH: Final = 0.99


async def admit(runtime: Runtime, job_id: str) -> Lane | Taken | None:
    """Charge and start a job, or refuse it.

    Returns:
        The lane in which the job waits now; or the job, which the caller has to answer; None if it was refused, or went
        further already.

    Raises:
        LeaseHeld: another instance answers it in real time; a later delivery finds it answered, or takes it up.
    """
    job = await created.read(runtime, job_id)
    if job is None:
        return None
    match job.fields.get("status"):
        case "created":
            return await _admit(runtime, job, answers=True)
        case "queued":
            return _lane_on_record(job)
        case "processing":
            return await _taken_over(runtime, job)
        case _:
            return None


async def rescue(runtime: Runtime, time_limit: TimeLimit) -> int:
    """Admit the jobs whose event was lost. Returns how many were started."""
    latest = runtime.now() - timedelta(seconds=runtime.settings.rescue_seconds)
    job_ids = await created.created_before(runtime, latest)
    rescued = 0
    for first in range(0, len(job_ids), _RESCUES_AT_ONCE):
        bunch = job_ids[first : first + _RESCUES_AT_ONCE]
        # Read before any is admitted, so that those of one user share a charge.
        read = await asyncio.gather(*(created.read(runtime, job_id) for job_id in bunch))
        jobs = [job for job in read if job and job.fields.get("status") == CREATED]
        outcomes = await asyncio.gather(*(rescue_one(runtime, job) for job in jobs), return_exceptions=True)
        for job_id, outcome in zip((job.job_id for job in jobs), outcomes, strict=True):
            # One job that cannot be admitted now must not keep the others waiting.
            if isinstance(outcome, TryLater):
                left_to_the_next_tick("rescue", outcome, job_id=job_id)
            elif isinstance(outcome, BaseException):
                where = where_raised(outcome)
                log.error("rescue_failed", job_id=job_id, error=type(outcome).__name__, where=where)
        rescued += sum(isinstance(outcome, Lane) for outcome in outcomes)
        if time_limit.is_over:
            break
    return rescued


async def rescue_one(runtime: Runtime, job: JobDocument) -> Lane | None:
    """Charge and start a job that is still `created`, or refuse it; any instance may take an instant one at once.

    Returns:
        Its lane, if it was started.
    """
    started = await _admit(runtime, job, answers=False)
    return started if isinstance(started, Lane) else None


async def _admit(runtime: Runtime, job: JobDocument, *, answers: bool) -> Lane | Taken | None:
    """See `admit`. With `answers`, the caller answers the job if it is an instant one."""
    title = Text.YOUR_REQUEST.say()
    try:
        request = _check_request(job)
        _check_deadline(runtime, job, request)
        job_type = job_types.find(request.type)
        title = job_type.title
        tokens = job_type.tokens[request.speed]
        lane = lane_for(runtime, job_type, _requested_model(job))
        image_generation = await _check_input(runtime, job, job_type, request, lane)
        is_instant = request.speed == "instant"
        start = _realtime_start(runtime, is_taken=answers) if is_instant else Start(batch_until=request.deadline)
        start = replace(start, image_generation=image_generation)
        taken_at = await charges.charge_and_start(
            runtime, job, lane=lane, tokens=tokens, priority=request.priority, start=start
        )
    except JobRefused as refusal:
        await created.refuse(runtime, job, refusal, title)
        log.info("job_refused", job_id=job.job_id, code=refusal.code, reason=refusal.reason)
        return None
    if not is_instant:
        log.info("job_queued", job_id=job.job_id, lane=str(lane))
        return lane
    log.info("job_started", job_id=job.job_id, lane=str(lane))
    if not answers:
        return lane
    if taken_at is None:
        raise LeaseHeld("another delivery has admitted the job")
    started = {**start.fields(), "lane": str(lane), "submittedAt": runtime.now(), "batchId": None, "waitsFor": None}
    return Taken(job=job_from(job.job_id, {**job.fields, **started}, taken_at))


def _requested_model(job: JobDocument) -> str | None:
    """The model that an operator wants; the rules let no client write it."""
    model = job.fields.get("requestedModel")
    return model if isinstance(model, str) else None


def _realtime_start(runtime: Runtime, *, is_taken: bool) -> Start:
    return Start(next_attempt_at=realtime.lease_end(runtime) if is_taken else runtime.now(), is_taken=is_taken)


async def _taken_over(runtime: Runtime, written: JobDocument) -> Taken | None:
    """A job that is answered in real time, if it is due; one in a batch, or that waits, needs no work now."""
    job = job_from(written.job_id, written.fields, written.update_time)
    if is_under_way(job, runtime.now()):
        raise LeaseHeld("another process answers the job")
    return await realtime.take_up(runtime, job) if is_due(job, runtime.now()) else None


def _lane_on_record(job: JobDocument) -> Lane | None:
    try:
        return Lane.parse(job.fields.get("lane"))
    except ValueError:
        # The document was damaged by hand; no redelivery mends it, and the audit names it.
        log.error("lane_unreadable", job_id=job.job_id)
        return None


def _check_request(job: JobDocument) -> JobRequest:
    check_job_id(job.job_id)
    if job.is_too_large:
        raise JobRefused("invalid_input", Text.REQUEST_TOO_LARGE.say(), "the job's document is too large")
    try:
        return JobRequest.model_validate(dict(job.fields))
    except ValidationError as invalid:
        raise JobRefused("invalid_input", Text.REQUEST_UNREADABLE.say(), reasons(invalid, JobRequest)) from None


def _check_deadline(runtime: Runtime, job: JobDocument, request: JobRequest) -> None:
    """It counts from when the job was written: that its event comes late is not the user's fault."""
    seconds = runtime.settings.min_deadline_seconds
    nearest = job.created_at + timedelta(seconds=seconds * _NEAR_ENOUGH)
    if seconds and request.deadline and request.deadline < nearest:
        raise JobRefused(
            "invalid_input",
            Text.TIME_TOO_NEAR.say(minutes=ceil(seconds / 60)),
            f"a deadline has to be at least {seconds:,.0f} seconds ahead",
        )


async def _check_input(
    runtime: Runtime, job: JobDocument, job_type: JobType[Any], request: JobRequest, lane: Lane
) -> int | None:
    """Returns the generation of its image or video, if it has uploaded one."""
    job_input = job_type.check_input(request.input)
    image_uri, video_uri = job_input.imageUri, job_input.video_uri
    uri = image_uri or video_uri
    if not uri:
        return None
    if not is_web_address(uri):
        # Cloud Storage is asked for those only who can pay for it.
        await charges.check_account(runtime, job, job_type.tokens[request.speed])
    if video_uri:
        return await uploads.check_video(runtime, request.userId, video_uri)
    return await uploads.check_image(runtime, request.userId, uri, TRAITS[lane.provider].image_types)
