"""Cloud Scheduler's side: which of its jobs are ours, how they differ from what is declared, and making them equal.

A job is ours if it publishes to one of our topics: a topic of the project whose name begins with `nightshift-`. Nothing
else is ever touched, nor is a job removed that the sync has not made itself: those carry a mark, an attribute of the
message that they publish, which the functions do not read. A job of a declared name that was made by hand for one of
our topics is taken over, mark included; one that does something else stops the sync with a sentence.

Nothing locks a job. Between our read and our write an operator or another sync may create, change or delete it, and
the answer to a call may be lost. So `put` decides by what is there. When the service says that this has changed
(ALREADY_EXISTS, NOT_FOUND), `put` reads it again and decides anew. Two syncs of one file end alike in any order. A
job that is paused stays so: the sync does not write `state`.
"""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Final

from google.api_core.exceptions import AlreadyExists, FailedPrecondition, NotFound
from google.cloud.scheduler_v1 import Job, PubsubTarget, UpdateJobRequest
from google.protobuf.field_mask_pb2 import FieldMask

from scheduler.cloud import SchedulerClients
from scheduler.declared import MESSAGE, TOPIC_PREFIX, Declared
from scheduler.errors import NoSuchSchedule, SchedulerError
from scheduler.step import Action, FieldChange, PlannedStep

KIND: Final = "schedule"
_MARK: Final = {"managed-by": "nightshift"}
_ROUNDS: Final = 5
# What is compared: the name in the plan → the path in an update mask, and the field as a text.
_FIELDS: Final[dict[str, tuple[str, Callable[[Job], str]]]] = {
    "description": ("description", lambda job: job.description),
    "schedule": ("schedule", lambda job: job.schedule),
    "time zone": ("time_zone", lambda job: job.time_zone),
    "topic": ("pubsub_target", lambda job: job.pubsub_target.topic_name.rpartition("/")[2]),
    "message": ("pubsub_target", lambda job: job.pubsub_target.data.decode(errors="replace")),
    "attributes": (
        "pubsub_target",
        lambda job: ", ".join(f"{key}={text}" for key, text in sorted(job.pubsub_target.attributes.items())),
    ),
}
# The service asks that an update which failed on its side is sent again until it succeeds.
_STATE: Final = "state"
_NOTES: Final = {
    Job.State.PAUSED: "paused, and stays paused",
    Job.State.DISABLED: "disabled by Cloud Scheduler after an error",
}


def job_id(job: Job) -> str:
    """The last part of a job's name."""
    return job.name.rpartition("/")[2]


def is_ours(cloud: SchedulerClients, job: Job) -> bool:
    """Whether a job publishes to one of our topics."""
    return job.pubsub_target.topic_name.startswith(cloud.topic(TOPIC_PREFIX))


async def present(cloud: SchedulerClients) -> dict[str, Job]:
    """Every job of the location, ours or not, by id."""
    listed = await cloud.schedules.list_jobs(parent=cloud.parent, **cloud.call)
    return {job_id(job): job async for job in listed}


async def ours(cloud: SchedulerClients) -> dict[str, Job]:
    """The jobs of the location that publish to our topics, by id."""
    return {name: job for name, job in (await present(cloud)).items() if is_ours(cloud, job)}


async def plan(cloud: SchedulerClients, declared: Declared) -> list[PlannedStep]:
    """What is to be done about the schedules. Raises SchedulerError if a name is taken by a job that is not ours."""
    there = await present(cloud)
    wanted = {job_id(job): job for job in _wanted(cloud, declared)}
    steps = [_declared_step(cloud, there.get(name), job) for name, job in wanted.items()]
    others = {name: job for name, job in there.items() if name not in wanted and is_ours(cloud, job)}
    return steps + [_undeclared_step(cloud, name, job) for name, job in others.items()]


def differences(there: Job, wanted: Job) -> dict[str, FieldChange]:
    """The fields in which a job is not as it is declared. What is not declared, as its retries, is not compared."""
    changes = {
        name: FieldChange(old=read(there), new=read(wanted))
        for name, (_, read) in _FIELDS.items()
        if read(there) != read(wanted)
    }
    if there.state == Job.State.UPDATE_FAILED:
        changes[_STATE] = FieldChange(old=there.state.name, new="updated again")
    return changes


async def pause(cloud: SchedulerClients, name: str) -> bool:
    """Pause a schedule; returns False if it was paused already."""
    return await _bring_to(cloud, name, Job.State.PAUSED, cloud.schedules.pause_job)


async def resume(cloud: SchedulerClients, name: str) -> bool:
    """Let a paused schedule run again; returns False if it was not paused."""
    return await _bring_to(cloud, name, Job.State.ENABLED, cloud.schedules.resume_job)


async def run(cloud: SchedulerClients, name: str) -> None:
    """Let a schedule run now, once more than it would; after a lost answer, perhaps twice."""
    await find(cloud, name)
    await cloud.schedules.run_job(name=cloud.job(name), **cloud.call)


async def find(cloud: SchedulerClients, name: str) -> Job:
    """One of our schedules. Raises NoSuchSchedule."""
    job = await _read(cloud, cloud.job(name))
    if job is None or not is_ours(cloud, job):
        raise NoSuchSchedule(f"There is no schedule {name} of Nightshift in {cloud.parent}.")
    return job


def _wanted(cloud: SchedulerClients, declared: Declared) -> list[Job]:
    return [
        Job(
            name=cloud.job(job.name),
            description=job.description,
            schedule=job.schedule,
            time_zone=declared.time_zone.key,
            pubsub_target=PubsubTarget(topic_name=cloud.topic(job.topic), data=MESSAGE, attributes=_MARK),
        )
        for job in declared.jobs
    ]


def _declared_step(cloud: SchedulerClients, there: Job | None, wanted: Job) -> PlannedStep:
    name, act = job_id(wanted), partial(_put, cloud, there, wanted)
    if there is None:
        return PlannedStep(
            action=Action.CREATE, kind=KIND, name=name, note=f"{wanted.schedule} {wanted.time_zone}", act=act
        )
    _assert_not_taken(cloud, there)
    note = _NOTES.get(there.state, "")
    if changes := differences(there, wanted):
        return PlannedStep(action=Action.CHANGE, kind=KIND, name=name, changes=changes, note=note, act=act)
    return PlannedStep(action=Action.SAME, kind=KIND, name=name, note=note)


def _undeclared_step(cloud: SchedulerClients, name: str, job: Job) -> PlannedStep:
    if _MARK.items() <= dict(job.pubsub_target.attributes).items():
        return PlannedStep(
            action=Action.REMOVE, kind=KIND, name=name, note="not declared", act=partial(_remove, cloud, name)
        )
    return PlannedStep(action=Action.LEFT, kind=KIND, name=name, note="not declared, and not made by this command")


async def _put(cloud: SchedulerClients, there: Job | None, wanted: Job) -> None:
    """Make a job what is declared, whatever becomes of it meanwhile. Raises SchedulerError if its name is taken."""
    for round_number in range(_ROUNDS):
        try:
            if there is None:
                await cloud.schedules.create_job(parent=cloud.parent, job=wanted, **cloud.call)
            elif changes := differences(there, wanted):
                await cloud.schedules.update_job(_update(wanted, changes), **cloud.call)
        except (AlreadyExists, NotFound):
            if round_number == _ROUNDS - 1:
                raise
            there = await _read(cloud, wanted.name)
            if there:
                _assert_not_taken(cloud, there)
        else:
            return


def _update(wanted: Job, changes: Collection[str]) -> UpdateJobRequest:
    named = _FIELDS if _STATE in changes else changes
    paths = {_FIELDS[name][0] for name in named}
    return UpdateJobRequest(job=wanted, update_mask=FieldMask(paths=sorted(paths)))


async def _remove(cloud: SchedulerClients, name: str) -> None:
    # Not there: another sync was faster, or this one was, and its answer was lost.
    with suppress(NotFound):
        await cloud.schedules.delete_job(name=cloud.job(name), **cloud.call)


async def _bring_to(cloud: SchedulerClients, name: str, state: int, call: Callable[..., Awaitable[Job]]) -> bool:
    if (await find(cloud, name)).state == state:
        return False
    try:
        await call(name=cloud.job(name), **cloud.call)
    except FailedPrecondition:
        # Another operator was faster, or this call was and its answer was lost.
        if (await find(cloud, name)).state != state:
            raise
    return True


async def _read(cloud: SchedulerClients, name: str) -> Job | None:
    try:
        return await cloud.schedules.get_job(name=name, **cloud.call)
    except NotFound:
        return None


def _assert_not_taken(cloud: SchedulerClients, job: Job) -> None:
    if not is_ours(cloud, job):
        raise SchedulerError(
            f"{job.name} is there and does something else than to publish to a topic {TOPIC_PREFIX}…: "
            "Nightshift did not make it, so it is left alone; give ours another name."
        )
