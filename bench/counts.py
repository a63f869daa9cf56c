"""What the bill is computed from: counts and sizes, measured over the emulators in one run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pytest
from pydantic import TypeAdapter

from bench.billed import Billed
from bench.counting import bill, counter
from bench.per_instant_job import InstantJobs, instant_jobs
from bench.per_job import LARGE, SMALL, BilledNight, night_of
from bench.stored import document_bytes, index_bytes
from nightshift.values.usage import Usage
from tests.support.world import World

# Cloud Storage's operations: https://cloud.google.com/storage/pricing#operations-by-class. An upload in parts is
# billed once; deleting is free.
_CLASS_A: Final = {"POST upload", "GET list"}
_CLASS_B: Final = {"GET download", "GET object", "HEAD object"}
_FREE: Final = {"PUT upload", "DELETE object"}
_INSTANT_JOBS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Amount:
    """What something is billed by Google, in units."""

    reads: float = 0
    writes: float = 0
    deletes: float = 0
    class_a: float = 0
    class_b: float = 0
    messages: float = 0


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """How long the functions take, by the clock and against the emulators."""

    # A trigger that leaves its job to the next leader.
    trigger: float
    # The share of one job in the ticks that submit and settle a large batch.
    ticks_per_job: float
    # Submitting and settling a batch of one job.
    lone_batch: float
    # A tick that finds one batch, and nothing new.
    tick: float
    # Of the processor, for all of a job in a large batch.
    cpu_per_job: float
    # A trigger that answers its job itself; the provider of the measurement answers at once.
    instant: float
    # A sweep that finds nothing.
    sweep: float
    # Of the processor, for all of an instant job.
    cpu_per_instant_job: float


@dataclass(frozen=True, kw_only=True)
class Example:
    """A job as an app asks it. Its tokens are stated, not measured: no real model is asked."""

    title: str
    job_type: str
    text: str
    # Of the photo that the user uploads; 0 = none.
    image_bytes: int
    tokens: Usage


EXAMPLES: Final = (
    Example(
        title="a text classified",
        job_type="waste_classification",
        text="an empty yoghurt cup with its aluminium lid still on",
        image_bytes=0,
        tokens=Usage(input_tokens=450, output_tokens=300),
    ),
    Example(
        title="a photo rated",
        job_type="photo_rating",
        text="Is the horizon straight?",
        image_bytes=300_000,
        tokens=Usage(input_tokens=1_900, output_tokens=350),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What one finished job of an example leaves behind, and its batch."""

    documents: int
    document_bytes: int
    index_bytes: int
    input_bytes: int
    output_bytes: int
    # The document of its batch, index entries included, however many jobs are in it.
    batch_bytes: int
    # Cloud Storage's reads to admit it.
    class_b: float


@dataclass(frozen=True, kw_only=True)
class MonthCounts:
    """All that was measured."""

    # One more job of a batch, from its trigger to its notification.
    job: Amount
    # A batch by itself, however large.
    batch: Amount
    # A tick that finds one batch, and nothing new.
    tick: Amount
    # One instant job, from its trigger to its notification.
    instant: Amount
    # A sweep that finds nothing.
    sweep: Amount
    seconds: Seconds
    # By the title of the example.
    footprints: Mapping[str, Footprint]


COUNTS: Final = TypeAdapter(MonthCounts)


async def measure() -> MonthCounts:
    """Bring batches of three sizes through the functions, instant jobs, and one job of each example."""
    # The lone one last, so that nothing is imported in it.
    small, large, lone = [await night_of(jobs) for jobs in (SMALL, LARGE, 1)]
    instant = await instant_jobs(_INSTANT_JOBS)
    footprints = {example.title: await _footprint(example) for example in EXAMPLES}
    return counts_of(lone, small, large, instant, footprints)


def counts_of(
    lone: BilledNight, small: BilledNight, large: BilledNight, instant: InstantJobs, footprints: Mapping[str, Footprint]
) -> MonthCounts:
    """The slope between two batches is what one more job costs, the rest what a batch costs.

    One tick submits it, one settles it, and both sweep, too: that is no cost of the batch's.

    Times are no exact counts, and their differences would say nothing: they are means.
    """
    less, more = _whole(small), _whole(large)
    job = {name: (more[name] - less[name]) / (large.jobs - small.jobs) for name in more}
    sweep = _units(instant.sweep)
    batch = {name: less[name] - job[name] * small.jobs - 2 * sweep[name] for name in less}
    return MonthCounts(
        job=Amount(**job),
        batch=Amount(**batch),
        tick=Amount(**_units(large.unchanged)),
        instant=Amount(**{name: units / instant.jobs for name, units in _units(instant.triggers).items()}),
        sweep=Amount(**sweep),
        seconds=Seconds(
            trigger=large.triggers.wall_seconds / large.jobs,
            ticks_per_job=(large.submitting.wall_seconds + large.settling.wall_seconds) / large.jobs,
            lone_batch=lone.triggers.wall_seconds + lone.settling.wall_seconds,
            tick=large.unchanged.wall_seconds,
            cpu_per_job=sum(part.cpu_seconds for part in large.parts.values()) / large.jobs,
            instant=instant.triggers.wall_seconds / instant.jobs,
            sweep=instant.sweep.wall_seconds,
            cpu_per_instant_job=instant.triggers.cpu_seconds / instant.jobs,
        ),
        footprints=footprints,
    )


def _whole(night: BilledNight) -> dict[str, float]:
    parts = [_units(part) for part in night.parts.values()]
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def _units(billed: Billed) -> dict[str, float]:
    if unknown := billed.storage_calls.keys() - _CLASS_A - _CLASS_B - _FREE:
        raise LookupError(f"how {', '.join(sorted(unknown))} is billed")
    return {
        "reads": billed.reads,
        "writes": billed.writes,
        "deletes": billed.deletes,
        "class_a": sum(billed.storage_calls[call] for call in _CLASS_A),
        "class_b": sum(billed.storage_calls[call] for call in _CLASS_B),
        "messages": billed.published_messages,
    }


async def _footprint(example: Example) -> Footprint:
    with pytest.MonkeyPatch.context() as environment, counter():
        async with World(environment).running() as world:
            # The lane is submitted by the first job, so that the second one's trigger admits it and no more.
            world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
            await world.give("alice", 2)
            await world.submit()
            await world.finish()
            job_input = {"text": example.text}
            if example.image_bytes:
                job_input["imageUri"] = await world.upload("alice")
            job_id = await world.write(type=example.job_type, input=job_input)
            with bill() as admission:
                await world.trigger(job_id)
            await world.finish()
            return await _left_by(world, job_id, _units(admission)["class_b"])


async def _left_by(world: World, job_id: str, class_b: float) -> Footprint:
    job = await world.job(job_id)
    paths = [f"{collection}/{job_id}" for collection in ("ai_jobs", "classifications", "notifications")]
    paths.append(f"wallets/{job['userId']}/ledger/{job_id}.charge")
    documents = {path: await world.read(path) for path in paths}
    batch_path = f"ai_batches/{job['batchId']}"
    batch = await world.read(batch_path)
    return Footprint(
        documents=len(documents),
        document_bytes=sum(document_bytes(path, fields) for path, fields in documents.items()),
        index_bytes=sum(index_bytes(path, fields) for path, fields in documents.items()),
        input_bytes=len(await world.artifact(job["batchId"], "input.jsonl")),
        output_bytes=len(await world.artifact(job["batchId"], "output.jsonl")),
        batch_bytes=document_bytes(batch_path, batch) + index_bytes(batch_path, batch),
        class_b=class_b,
    )
