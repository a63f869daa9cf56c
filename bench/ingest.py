"""How many jobs does one instance settle per second, when it ingests a batch's output?

The floor is the same documents in raw commits: the same updates under the same preconditions with the same fields, the
same classifications and notifications, as many in a commit, at the number of commits in flight that is best. What they
hold is read off the documents that the measured run left.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from statistics import median
from typing import Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP, AsyncWriteBatch, DocumentSnapshot

from bench.measured import Aim, Measured, Measurement, check
from bench.sampling import WAITING, Samples, sampled
from bench.seeding import LANE, Write, check_all_completed, commit_all, documents, number_of, seed_queued_jobs
from bench.workbench import Workbench, workbench
from nightshift.batches.advance import advance, submit_lane
from nightshift.batches.listing import NOTHING_LISTED
from nightshift.batches.messages import BatchCall
from nightshift.batches.work import work
from nightshift.errors import LeaseHeld
from nightshift.runtime import Runtime

_JOBS: Final = 3_000
_SHARDS: Final = 4
_ROUNDS: Final = 2
_JOBS_IN_A_COMMIT: Final = 150
_IN_FLIGHT: Final = (1, 2, 4, 8)
_AIM: Final = Aim(sign="≥", bound=0.8)
_PARTS: Final = (
    ("pricing", ("pricing/prices.py",)),
    (
        "parsing and validating",
        (
            "providers/openai/result.py",
            "providers/result_line.py",
            "jobs/answer.py",
            "jobs/settlement.py",
            "job_types/",
        ),
    ),
    ("copying and reading the file", ("batches/artifacts.py", "providers/openai/client.py")),
    WAITING,
    ("reading jobs", ("get_all", "read_jobs", "job_of", "to_dict", "_parse_batch_get")),
    ("building and encoding commits", ("jobs/settlements.py", "database/commits.py", "firestore_v1/")),
    ("gRPC", ("grpc/",)),
)

Snapshots = Mapping[str, "DocumentSnapshot[Any]"]


@dataclass(frozen=True, kw_only=True)
class _Ingested:
    """One measured run: the jobs as it found them, what it left, and how long it took."""

    before: Snapshots
    jobs: Snapshots
    classifications: Snapshots
    notifications: Snapshots
    seconds: float
    cpu_seconds: float
    samples: Samples


async def ask() -> Measured:
    """Ingest in place and in shards, and commit the same documents raw, in turns."""
    async with workbench() as bench:
        await _ingest(bench, _JOBS // 4, shards=1)
        in_place, in_shards = [], []
        encoded: dict[int, list[float]] = {in_flight: [] for in_flight in _IN_FLIGHT}
        bare: dict[int, list[float]] = {in_flight: [] for in_flight in _IN_FLIGHT}
        for number in range(_ROUNDS):
            in_place.append(await _ingest(bench, _JOBS, shards=1))
            in_shards.append(await _ingest(bench, _JOBS, shards=_SHARDS))
            for floor, is_built_before in ((encoded, False), (bare, True)):
                # Once it is known, only the best is tried again.
                tried = [_best(floor)] if number else _IN_FLIGHT
                for in_flight in tried:
                    seconds = await _commit_raw(bench, in_place[-1], in_flight, is_built_before=is_built_before)
                    floor[in_flight].append(seconds)
    best, best_bare = _best(encoded), _best(bare)
    floor_rate, bare_rate = _rate(encoded[best]), _rate(bare[best_bare])
    last = in_place[-1]
    cpu_ms = 1000 * median(run.cpu_seconds for run in in_place) / _JOBS
    return Measured(
        question="How many jobs does one instance settle per second?",
        measurements=[
            _measurement("in place, against raw commits", in_place, floor_rate, _AIM),
            _measurement(f"{_SHARDS} shards at once, against raw commits", in_shards, floor_rate, _AIM),
            replace(
                _measurement("in place, against commits built before", in_place, bare_rate, _AIM),
                left=f"The floor reads no file and no job, judges nothing and encodes nothing. Ours reads each job "
                f"once, from the same emulator, and needs {cpu_ms:.2f} ms of CPU a job for all of it; the floor has "
                f"{1000 / bare_rate:.2f} ms a job altogether.",
            ),
            Measurement(name="CPU per job, in place", measured=f"{cpu_ms:.2f} ms"),
        ],
        notes=[
            f"{_JOBS:,} jobs, medians of {_ROUNDS} runs. Raw commits are best with {best} in flight, commits that are "
            f"built before the clock starts with {best_bare}.",
            f"In place, {last.cpu_seconds / last.seconds:.0%} of the time is this process's own CPU. "
            f"Where it is: {last.samples}.",
        ],
    )


def _measurement(name: str, runs: list[_Ingested], floor: float, aim: Aim) -> Measurement:
    rate = _rate([run.seconds for run in runs])
    return Measurement(
        name=name,
        measured=f"{rate:,.0f} jobs/s",
        floor=f"{floor:,.0f} jobs/s",
        number=rate / floor,
        aim=aim,
        spread=[_JOBS / run.seconds / floor for run in runs],
    )


def _rate(seconds: list[float]) -> float:
    return _JOBS / median(seconds)


def _best(floor: Mapping[int, list[float]]) -> int:
    return min((in_flight for in_flight in floor if floor[in_flight]), key=lambda n: median(floor[n]))


async def _ingest(bench: Workbench, jobs: int, *, shards: int) -> _Ingested:
    """Bring jobs to the provider, and ingest what it answered."""
    async with bench.project(shard_lines=jobs // shards) as runtime:
        client = runtime.firestore
        await seed_queued_jobs(client, jobs)
        await submit_lane(runtime, LANE, runtime.time_limit(600), coalesce=False)
        await bench.provider_done()
        before = await documents(client, "ai_jobs")
        (batch_id,) = await documents(client, "ai_batches")
        started_at, cpu_started_at = time.perf_counter(), time.process_time()
        with sampled(*_PARTS) as samples:
            await _settle_all(runtime, batch_id, shards)
        seconds, cpu_seconds = time.perf_counter() - started_at, time.process_time() - cpu_started_at
        batch = (await client.document(f"ai_batches/{batch_id}").get()).to_dict() or {}
        check(batch["status"] == "completed", f"The batch is {batch['status']}.")
        await check_all_completed(client, jobs)
        return _Ingested(
            before=before,
            jobs=await documents(client, "ai_jobs"),
            classifications=await documents(client, "classifications"),
            notifications=await documents(client, "notifications"),
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            samples=samples,
        )


async def _settle_all(runtime: Runtime, batch_id: str, shards: int) -> None:
    await advance(runtime, batch_id, NOTHING_LISTED)
    if shards > 1:
        # It has called the workers; no function listens to the topic here, so the bench runs them.
        cut = [shard.id async for shard in runtime.firestore.collection(f"ai_batches/{batch_id}/shards").stream()]
        check(len(cut) == shards, f"The output was cut into {len(cut)} shards.")
        await asyncio.gather(*(_work(runtime, batch_id, shard_id) for shard_id in cut))


async def _work(runtime: Runtime, batch_id: str, shard_id: str) -> None:
    # A worker that finds another one closing the batch would be called again, and find it closed.
    with suppress(LeaseHeld):
        await work(runtime, BatchCall(batch_id=batch_id, shard_id=shard_id))


async def _commit_raw(bench: Workbench, ingested: _Ingested, in_flight: int, *, is_built_before: bool) -> float:
    """Commit what a run wrote, in a project where its jobs are as that run found them; returns the seconds."""
    async with bench.project() as runtime:
        client = runtime.firestore
        seeds: Iterator[Write] = (_set(runtime, snapshot) for snapshot in ingested.before.values())
        await commit_all(client, seeds)
        seeded = iter([(runtime, ingested, job) for job in (await documents(client, "ai_jobs")).values()])

        def batches() -> Iterator[AsyncWriteBatch]:
            while chunk := list(islice(seeded, _JOBS_IN_A_COMMIT)):
                batch = client.batch()
                for job in chunk:
                    _write_settled(batch, *job)
                yield batch

        rest = iter(list(batches())) if is_built_before else batches()

        async def send() -> None:
            for batch in rest:
                await batch.commit()

        started_at = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(in_flight)))
        seconds = time.perf_counter() - started_at
        completed = await number_of(client, "ai_jobs", status="completed")
        check(completed == len(ingested.jobs), f"The raw commits completed {completed} jobs.")
        return seconds


def _set(runtime: Runtime, snapshot: "DocumentSnapshot[Any]") -> Write:
    ref = runtime.firestore.document(f"ai_jobs/{snapshot.id}")
    return lambda batch: batch.set(ref, snapshot.to_dict() or {})


def _write_settled(batch: AsyncWriteBatch, runtime: Runtime, ingested: _Ingested, job: "DocumentSnapshot[Any]") -> None:
    before, after = job.to_dict() or {}, ingested.jobs[job.id].to_dict() or {}
    changes = {name: field for name, field in after.items() if before.get(name) != field}
    option = runtime.firestore.write_option(last_update_time=job.update_time)
    batch.update(runtime.firestore.document(f"ai_jobs/{job.id}"), _stamped(changes), option=option)
    for collection, made in (
        ("classifications", ingested.classifications),
        ("notifications", ingested.notifications),
    ):
        batch.set(runtime.firestore.document(f"{collection}/{job.id}"), _stamped(made[job.id].to_dict() or {}))


def _stamped(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, their times set by the database as the functions let it."""
    return {name: SERVER_TIMESTAMP if isinstance(field, datetime) else field for name, field in fields.items()}
