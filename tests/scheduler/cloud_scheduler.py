"""A server of Cloud Scheduler's API, as its reference describes it, for no emulator of it exists.

    server = CloudScheduler(publish)
    async with server.serve() as address:           # HOST:PORT, plain text
        server.fault("CreateJob", Fault(StatusCode.UNAVAILABLE, lands=True))
        server.calls                                # the names of the methods that were called

It speaks the client library's own messages. What is output-only it sets itself, an update changes what its mask
names and nothing else, and `RunJob` really publishes. No job runs by itself: time stands still here.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import grpc
from croniter import croniter
from google.cloud.scheduler_v1.types import (
    CreateJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    Job,
    ListJobsRequest,
    ListJobsResponse,
    PauseJobRequest,
    ResumeJobRequest,
    RunJobRequest,
    UpdateJobRequest,
)
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

Publish = Callable[[str, bytes, dict[str, str]], Awaitable[None]]
Answer = Callable[[Any, Any], Awaitable[Any]]

_SERVICE = "google.cloud.scheduler.v1.CloudScheduler"
_PARENT = re.compile(r"projects/([^/]+)/locations/[a-z]+-[a-z]+\d")
_NAME = re.compile(_PARENT.pattern + r"/jobs/[A-Za-z0-9_-]{1,500}")
_TOPIC = re.compile(r"projects/([^/]+)/topics/[^/]+")
_WRITABLE = {"description", "schedule", "time_zone", "pubsub_target", "http_target", "retry_config"}
_MOST_JOBS_A_PAGE = 500


@dataclass
class Fault:
    """What goes wrong with the next calls of a method. `lands`: the call takes effect, and its answer is lost."""

    status: StatusCode
    message: str = "struck"
    lands: bool = False
    times: int = 1
    reason: str | None = None  # of an ErrorInfo, as SERVICE_DISABLED
    meanwhile: Callable[[], None] | None = None  # what another program does just before


class CloudScheduler:
    """The jobs of all projects, and who called what."""

    def __init__(self, publish: Publish, *, jobs_a_page: int = _MOST_JOBS_A_PAGE) -> None:
        self.jobs: dict[str, Job] = {}
        self.calls: list[str] = []
        self.masks: list[set[str]] = []
        self._publish = publish
        self._jobs_a_page = jobs_a_page
        self._faults: dict[str, list[Fault]] = {}

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        return [method for method in self.calls if method not in {"ListJobs", "GetJob"}]

    def fault(self, method: str, fault: Fault) -> None:
        """Let the next calls of a method go wrong."""
        self._faults.setdefault(method, []).append(fault)

    def heal(self) -> None:
        """Let no further call go wrong."""
        self._faults.clear()

    def add(self, job: Job) -> None:
        """Add a job as another program would create it."""
        job.state = Job.State(job.state or Job.State.ENABLED)
        self.jobs[job.name] = job

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Answer calls; gives the server's HOST:PORT."""
        methods: Iterable[tuple[Any, Answer, Any]] = (
            (CreateJobRequest, self._create_job, Job),
            (DeleteJobRequest, self._delete_job, None),
            (GetJobRequest, self._get_job, Job),
            (ListJobsRequest, self._list_jobs, ListJobsResponse),
            (PauseJobRequest, self._pause_job, Job),
            (ResumeJobRequest, self._resume_job, Job),
            (RunJobRequest, self._run_job, Job),
            (UpdateJobRequest, self._update_job, Job),
        )
        handlers = {
            request.__name__.removesuffix("Request"): grpc.unary_unary_rpc_method_handler(
                self._struck(request.__name__.removesuffix("Request"), answer),
                request_deserializer=request.deserialize,
                response_serializer=response.serialize if response else Empty.SerializeToString,
            )
            for request, answer, response in methods
        }
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)

    def _struck(self, method: str, answer: Answer) -> Answer:
        async def answer_or_fault(request: Any, context: Any) -> Any:
            self.calls.append(method)
            faults = self._faults.get(method)
            if not faults:
                return await answer(request, context)
            fault = faults[0]
            fault.times -= 1
            if fault.times == 0:
                del faults[0]
            if fault.meanwhile:
                fault.meanwhile()
            if fault.status is StatusCode.OK:
                return await answer(request, context)
            if fault.lands:
                await answer(request, context)
            return await _refuse(context, fault.status, fault.message, fault.reason)

        return answer_or_fault

    async def _list_jobs(self, request: ListJobsRequest, context: Any) -> ListJobsResponse:
        await _check_parent(request.parent, context)
        names = sorted(name for name in self.jobs if name.startswith(f"{request.parent}/jobs/"))
        begin = int(request.page_token or 0)
        end = begin + min(request.page_size or _MOST_JOBS_A_PAGE, self._jobs_a_page)
        return ListJobsResponse(
            jobs=[self.jobs[name] for name in names[begin:end]],
            next_page_token=str(end) if end < len(names) else "",
        )

    async def _get_job(self, request: GetJobRequest, context: Any) -> Job:
        return await self._find(request.name, context)

    async def _create_job(self, request: CreateJobRequest, context: Any) -> Job:
        await _check_parent(request.parent, context)
        job = _copy(request.job)
        if not _NAME.fullmatch(job.name) or not job.name.startswith(f"{request.parent}/jobs/"):
            await _refuse(context, StatusCode.INVALID_ARGUMENT, f"Invalid job name {job.name}.")
        await _check(job, context)
        if job.name in self.jobs:
            await _refuse(context, StatusCode.ALREADY_EXISTS, f"Job {job.name} already exists.")
        job.state = Job.State(Job.State.ENABLED)
        job.last_attempt_time = None
        _schedule(job)
        self.jobs[job.name] = job
        return job

    async def _update_job(self, request: UpdateJobRequest, context: Any) -> Job:
        there = await self._find(request.job.name, context)
        mask = set(request.update_mask.paths) or _WRITABLE
        self.masks.append(mask)
        if unknown := mask - _WRITABLE:
            await _refuse(context, StatusCode.INVALID_ARGUMENT, f"Invalid update mask {unknown}.")
        job = _copy(there)
        for path in mask:
            setattr(job, path, getattr(request.job, path))
        await _check(job, context)
        if job.state == Job.State.UPDATE_FAILED:
            job.state = Job.State(Job.State.ENABLED)
        _schedule(job)
        self.jobs[job.name] = job
        return job

    async def _delete_job(self, request: DeleteJobRequest, context: Any) -> Empty:
        del self.jobs[(await self._find(request.name, context)).name]
        return Empty()

    async def _pause_job(self, request: PauseJobRequest, context: Any) -> Job:
        return await self._change_state(request.name, Job.State.ENABLED, Job.State.PAUSED, context)

    async def _resume_job(self, request: ResumeJobRequest, context: Any) -> Job:
        return await self._change_state(request.name, Job.State.PAUSED, Job.State.ENABLED, context)

    async def _run_job(self, request: RunJobRequest, context: Any) -> Job:
        job = await self._find(request.name, context)
        target = job.pubsub_target
        await self._publish(target.topic_name, target.data, dict(target.attributes))
        job.last_attempt_time = datetime.now(UTC)
        return job

    async def _change_state(self, name: str, before: int, after: int, context: Any) -> Job:
        job = await self._find(name, context)
        if job.state != before:
            await _refuse(context, StatusCode.FAILED_PRECONDITION, f"Job is not {Job.State(before).name}.")
        job.state = Job.State(after)
        _schedule(job)
        return job

    async def _find(self, name: str, context: Any) -> Job:
        if not _NAME.fullmatch(name):
            await _refuse(context, StatusCode.INVALID_ARGUMENT, f"Invalid job name {name}.")
        if name not in self.jobs:
            await _refuse(context, StatusCode.NOT_FOUND, f"Job {name} not found.")
        return self.jobs[name]


def _copy(job: Job) -> Job:
    copy = Job()
    Job.copy_from(copy, job)
    return copy


def _schedule(job: Job) -> None:
    now = datetime.now(UTC)
    job.user_update_time = now
    due = croniter(job.schedule, now.astimezone(ZoneInfo(job.time_zone))).get_next(datetime)
    job.schedule_time = None if job.state == Job.State.PAUSED else due


async def _check_parent(parent: str, context: Any) -> None:
    if not _PARENT.fullmatch(parent):
        await _refuse(context, StatusCode.INVALID_ARGUMENT, f"Invalid parent {parent}.")


async def _check(job: Job, context: Any) -> None:
    wrong = None
    if len(job.schedule.split()) != 5 or not croniter.is_valid(job.schedule):
        wrong = "Schedule or time zone is invalid."
    try:
        ZoneInfo(job.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        wrong = "Schedule or time zone is invalid."
    if len(job.description) > 500:
        wrong = "Description is too long."
    if "pubsub_target" in job:
        topic = _TOPIC.fullmatch(job.pubsub_target.topic_name)
        if not topic or not job.name.startswith(f"projects/{topic[1]}/"):
            wrong = "The topic must be of the job's project."
        if not job.pubsub_target.data and not job.pubsub_target.attributes:
            wrong = "A message has data or attributes."
    if wrong:
        await _refuse(context, StatusCode.INVALID_ARGUMENT, wrong)


async def _refuse(context: Any, status: StatusCode, message: str, reason: str | None = None) -> NoReturn:
    trailing: tuple[tuple[str, bytes], ...] = ()
    if reason:
        metadata = {"service": "cloudscheduler.googleapis.com"}
        detail = AnyMessage()
        detail.Pack(ErrorInfo(reason=reason, domain="googleapis.com", metadata=metadata))
        whole = Status(code=status.value[0], message=message, details=[detail])
        trailing = (("grpc-status-details-bin", whole.SerializeToString()),)
    await context.abort(status, message, trailing)
    raise AssertionError("abort returned")
