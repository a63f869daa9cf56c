"""Jobs of the caller: create, list, look, cancel.

A job is written as a client writes it, and its event starts its journey; a lost event is the tick's to find. So the API
admits, charges and answers nothing. What admission would refuse in any case is refused here, and then no document is
written: an unknown type, an input that is not valid, a deadline that is too near, a wallet that does not reach. Images
are looked at by admission alone.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from nightshift import job_types
from nightshift.api.creating import another_body, id_for
from nightshift.api.cursors import page_of
from nightshift.api.route import ONE_JOB_BYTES, ApiCall, ApiRoute
from nightshift.api.shapes.jobs import (
    CreatedJob,
    CreatedJobs,
    JobNow,
    JobOfType,
    JobPage,
    JobsAsked,
    JobSummary,
    NewJob,
    NewJobs,
    OwnJob,
)
from nightshift.database import reads
from nightshift.database.collections import WALLETS
from nightshift.database.commits import Undecided, attempts
from nightshift.errors import HttpError, JobRefused
from nightshift.jobs import created
from nightshift.jobs.cancel import LIVE, cancel
from nightshift.jobs.created import JobDocument
from nightshift.jobs.creation import create_together, read_all
from nightshift.jobs.documents import jobs_where
from nightshift.jobs.job import DEFAULT_PRIORITY
from nightshift.ledger.wallet import Wallet
from nightshift.runtime import Runtime
from nightshift.values.ids import is_job_id
from nightshift.values.status import CANCELLED, CREATED

Summary = TypeVar("Summary", bound=JobSummary)

# What a client chooses: by these fields a repeated request is known for the same.
_CHOSEN: Final = ("userId", "type", "speed", "input", "priority", "deadline")
_SUMMARY: Final = tuple(name for name in JobSummary.model_fields if name != "id")
_MANY_JOBS_BYTES: Final = 2 * 1024 * 1024
_REFUSED: Final = {402: "The wallet does not reach.", 409: "The Idempotency-Key was used with another body."}
_NO_JOB: Final = {404: "The caller has no such job."}


async def create(call: ApiCall) -> CreatedJob:
    """Create a job. Its answer comes later: listen to its document, or ask `GET /jobs/{id}`."""
    return (await _create(call, [call.body], id_for(call.user_id, "job", call.key)))[0]


async def create_of_type(job_type: str, call: ApiCall) -> CreatedJob:
    """Create a job of this type: `POST /jobs` with its `type`, under the path of an older service."""
    job = NewJob(type=job_type, **call.body.model_dump())
    return (await _create(call, [job], id_for(call.user_id, "job", call.key)))[0]


async def create_all(call: ApiCall) -> CreatedJobs:
    """Create up to 250 jobs, all of them or none. For more, and for files, there are bulk jobs."""
    return CreatedJobs(jobs=await _create(call, call.body.jobs, id_for(call.user_id, "jobs", call.key), several=True))


async def list_own(call: ApiCall) -> JobPage:
    """List the caller's jobs, the newest first, without their inputs and results."""
    asked: JobsAsked = call.query
    wanted = {"userId": call.user_id, **({"status": asked.status} if asked.status else {})}
    return await page_of_jobs(jobs_where(call.runtime, **wanted), asked.pageSize, asked.pageToken)


async def list_of_user(call: ApiCall) -> JobPage:
    """List a user's jobs, the newest first, without their inputs and results."""
    asked: JobsAsked = call.query
    wanted = {"userId": call.path["id"], **({"status": asked.status} if asked.status else {})}
    return await page_of_jobs(jobs_where(call.runtime, **wanted), asked.pageSize, asked.pageToken)


async def page_of_jobs(query: Any, page_size: int, page_token: str | None) -> JobPage:
    """A page of the jobs that a query finds, the newest first."""
    page, token = await page_of(query.select([*_SUMMARY]), page_size, page_token, by="createdAt", newest_first=True)
    jobs = [shown(JobSummary, found.id, found.to_dict() or {}) for found in page]
    return JobPage(jobs=jobs, nextPageToken=token)


async def look(call: ApiCall) -> OwnJob:
    """Look at one of the caller's jobs. With `If-None-Match`, an unchanged one is answered 304."""
    job = await _own(call)
    return shown(OwnJob, job.job_id, job.fields)


async def cancel_own(call: ApiCall) -> JobNow:
    """Cancel one of the caller's jobs, and give its tokens back. One that is cancelled already is answered the same."""
    job = await _own(call)
    status = await cancel(call.runtime, job.job_id) if job.fields.get("status") in LIVE else job.fields.get("status")
    if status != CANCELLED:
        raise HttpError(409, "already_ended", f"The job has ended: it is {status}.")
    return JobNow(id=job.job_id, status=CANCELLED)


async def _own(call: ApiCall) -> JobDocument:
    """The caller's job of the path. Of another user's it is not told that there is one."""
    job_id = call.path["id"]
    job = await created.read(call.runtime, job_id) if is_job_id(job_id) else None
    if job is None or job.user_id != call.user_id:
        raise HttpError(404, "not_found", "There is no such job.")
    return job


async def _create(call: ApiCall, jobs: Sequence[NewJob], first_id: str, *, several: bool = False) -> list[CreatedJob]:
    runtime, user_id = call.runtime, call.user_id
    places = [f"jobs.{at}" if several else "" for at in range(len(jobs))]
    wanted = [_fields(user_id, job, place) for job, place in zip(jobs, places, strict=True)]
    ids = [f"{first_id}-{at}" for at in range(len(jobs))] if several else [first_id]
    documents = dict(zip(ids, wanted, strict=True))
    if not (call.key and await _were_created(call, documents, several=several)):
        for job, place in zip(jobs, places, strict=True):
            _check_deadline(runtime, job, place)
        await _check_wallet(runtime, user_id, jobs)
        async for _ in attempts():
            try:
                at = await create_together(runtime, documents)
            except Undecided:
                # Another request with the key was faster, or our own commit landed and its answer was lost.
                if await _were_created(call, documents, several=several):
                    break
            else:
                return [CreatedJob(id=job_id, createdAt=at) for job_id in ids]
    found = await read_all(runtime, ids)
    return [CreatedJob(id=job_id, createdAt=found[job_id].created_at) for job_id in ids]


def _fields(user_id: str, job: NewJob, place: str) -> dict[str, Any]:
    """The client's fields of its document. Raises HttpError for what admission would refuse."""
    try:
        job_input = job_types.find(job.type).check_input(job.input)
    except JobRefused as refusal:
        raise _refused(refusal.code, refusal.message, place) from None
    fields = {
        "userId": user_id,
        "type": job.type,
        "speed": job.speed,
        "input": job_input.model_dump(exclude_none=True),
        "priority": job.priority,
    }
    return fields | ({"deadline": job.deadline} if job.deadline else {})


def _check_deadline(runtime: Runtime, job: NewJob, place: str) -> None:
    if job.deadline is None:
        return
    if job.speed != "batch":
        raise _refused("invalid_input", "Only a job of the speed batch has a deadline.", place)
    seconds = runtime.settings.min_deadline_seconds
    if job.deadline < runtime.now() + timedelta(seconds=seconds):
        raise _refused("invalid_input", f"A deadline has to be at least {seconds:,.0f} seconds ahead.", place)


def _refused(code: str, message: str, place: str) -> HttpError:
    return HttpError(400, code, message, details=[{"field": place, "reason": message}] if place else [])


async def _check_wallet(runtime: Runtime, user_id: str, jobs: Sequence[NewJob]) -> None:
    """One read. Admission decides; a job that it would refuse for want of tokens need not be written."""
    snapshot = await reads.read(runtime, f"{WALLETS}/{user_id}")
    tokens = sum(job_types.find(job.type).tokens[job.speed] for job in jobs)
    if not Wallet.read(snapshot.to_dict()).covers(tokens):
        raise HttpError(402, "insufficient_tokens", f"This costs {tokens} tokens, and the wallet holds fewer.")


async def _were_created(call: ApiCall, documents: Mapping[str, Mapping[str, Any]], *, several: bool) -> bool:
    """Whether these jobs are there. Raises HttpError if others are, under the same key."""
    beyond = [f"{next(iter(documents)).removesuffix('-0')}-{len(documents)}"] if several else []
    found = await read_all(call.runtime, [*documents, *beyond])
    if not found:
        return False
    if found.keys() != documents.keys() or any(_chosen(found[job_id]) != documents[job_id] for job_id in found):
        raise another_body()
    return True


def _chosen(job: JobDocument) -> dict[str, Any]:
    fields = {name: job.fields[name] for name in _CHOSEN if name in job.fields}
    return {"priority": DEFAULT_PRIORITY, **fields}


def shown(model: type[Summary], job_id: str, fields: Mapping[str, Any]) -> Summary:
    """A job's document as a model. A client wrote some of the fields: what does not fit is left out."""
    given = {name: fields[name] for name in model.model_fields if name in fields}
    given = {"status": CREATED, **given, "id": job_id}
    try:
        return model.model_validate(given)
    except ValidationError as invalid:
        odd = {error["loc"][0] for error in invalid.errors(include_input=False)}
        fitting = {name: content for name, content in given.items() if name not in odd}
        return model.model_validate({"status": CREATED, **fitting})


ROUTES: Final = (
    ApiRoute(
        method="POST",
        path="/jobs",
        who="user",
        handler=create,
        body=NewJob,
        most_bytes=ONE_JOB_BYTES,
        answer=CreatedJob,
        status=201,
        creates=True,
        errors=_REFUSED,
        aliases=("/batch/queue",),
    ),
    ApiRoute(
        method="POST",
        path="/jobs/bulk",
        who="user",
        handler=create_all,
        body=NewJobs,
        most_bytes=_MANY_JOBS_BYTES,
        answer=CreatedJobs,
        status=201,
        creates=True,
        errors=_REFUSED,
        aliases=("/batch/queue/bulk",),
    ),
    ApiRoute(method="GET", path="/jobs", who="user", handler=list_own, query=JobsAsked, answer=JobPage, is_polled=True),
    ApiRoute(method="GET", path="/jobs/{id}", who="user", handler=look, answer=OwnJob, is_polled=True, errors=_NO_JOB),
    ApiRoute(method="GET", path="/users/{id}/jobs", who="admin", handler=list_of_user, query=JobsAsked, answer=JobPage),
    ApiRoute(
        method="POST",
        path="/jobs/{id}/cancel",
        who="user",
        handler=cancel_own,
        answer=JobNow,
        errors={**_NO_JOB, 409: "The job has ended."},
    ),
    *(
        ApiRoute(
            method="POST",
            path=f"/batch/integrate/{path}",
            who="user",
            handler=partial(create_of_type, job_type),
            body=JobOfType,
            most_bytes=ONE_JOB_BYTES,
            answer=CreatedJob,
            status=201,
            creates=True,
            errors=_REFUSED,
        )
        for path, job_type in (("creative-scoring", "creative_scoring"), ("embeddings", "embedding"))
    ),
)
