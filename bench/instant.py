"""How fast does one instance answer in real time, compared with the bare SDK at its best fixed concurrency?

Three times, against a server that is a process of its own: with a rate limit, where it matters how many calls are under
way; without one, where the processor decides; and from a job's trigger to its notification, with the database. Each
contestant is a new process, and they take turns at the same server: first every number of callers, and ours; then ours
again, and the best of them.
"""

import asyncio
import multiprocessing
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from math import ceil
from pathlib import Path
from statistics import mean
from typing import Any, Final

from google.cloud.firestore import AsyncClient

from bench import instant_calls
from bench.instant_calls import Calls, busy_seconds
from bench.local_provider import openai_server
from bench.measured import Aim, Measured, Measurement, check
from bench.seeding import Write, commit_all, number_of
from nightshift.functions import FUNCTIONS

_AIM: Final = Aim(sign="≥", bound=0.8)
_MS_PER_JOB: Final = Aim(sign="≤", bound=5)
_TARGET_PER_MINUTE: Final = 30_000
_JOBS_AT_ONCE, _MOST_INSTANCES = next(
    (function.concurrency, function.max_instances) for function in FUNCTIONS if function.name == "onAiJobCreated"
)
# A provider that answers in a second and takes sixty requests in one: sixty under way use it to the full.
_LIMITED: Final = ("--answer", "1.0", "--requests-per-minute", "3600", "--requests-burst", "120")
_LIMITED_PER_SECOND: Final = 60
_LIMITED_JOBS: Final = 600
_LIMITED_CALLERS: Final = (64, 128, 256)
# Then the bucket is full again, for the next to find it as the one before did.
_LIMITED_REST_SECONDS: Final = 3.0
_UNLIMITED: Final = ("--answer", "0.2")
_UNLIMITED_JOBS: Final = 800
_UNLIMITED_CALLERS: Final = (32, 64, 256)
_END_TO_END_JOBS: Final = 400
_END_TO_END_ROUNDS: Final = 3
_WARM_UP: Final = 8
_USERS: Final = 100


async def ask() -> Measured:
    """Let them take turns."""
    limited_floor, limited = await _turns(_LIMITED, _LIMITED_JOBS, _LIMITED_CALLERS, _LIMITED_REST_SECONDS)
    floor, ours = await _turns(_UNLIMITED, _UNLIMITED_JOBS, _UNLIMITED_CALLERS, 0)
    ends = [await _end_to_end() for _ in range(_END_TO_END_ROUNDS)]
    # The middle one by its time.
    end_to_end, emulator_seconds = sorted(ends, key=lambda end: end[0].seconds)[_END_TO_END_ROUNDS // 2]
    needed = _TARGET_PER_MINUTE / 60
    return Measured(
        question="How fast does one instance answer in real time, compared with the bare SDK?",
        measurements=[
            *_rows(f"limit of {_LIMITED_PER_SECOND}/s", limited_floor, limited),
            *_rows("no limit", floor, ours),
            replace(
                _throughput("no limit, from trigger to notification", floor, [end_to_end], _AIM),
                spread=[calls.per_second / mean(bare.per_second for bare in floor[1]) for calls, _ in ends],
                left="The floor has no database. Here its emulator takes "
                f"{_milliseconds(emulator_seconds / end_to_end.jobs)} of the same cores for each job.",
            ),
            Measurement(
                name="… CPU of ours per job",
                measured=_milliseconds(end_to_end.cpu_seconds / end_to_end.jobs),
                number=1000 * end_to_end.cpu_seconds / end_to_end.jobs,
                aim=_MS_PER_JOB,
                spread=[1000 * calls.cpu_seconds / calls.jobs for calls, _ in ends],
            ),
            Measurement(
                name="… CPU of Firestore's emulator per job", measured=_milliseconds(emulator_seconds / end_to_end.jobs)
            ),
            Measurement(name="… memory of ours at its peak", measured=_megabytes(end_to_end)),
        ],
        notes=[
            f"The floor is the bare SDK (AsyncOpenAI, no retries) with the best of {_LIMITED_CALLERS} callers (limit) "
            f"and {_UNLIMITED_CALLERS} (no limit): {limited_floor[0]} and {floor[0]}.",
            "The server, the emulator and the measured process share this machine's cores: without a limit it is the "
            "server's processor time as much as ours that decides. The CPU per call is that of the measured process "
            "alone.",
            "The time of a call is that of one that was answered: neither refusals before it nor the wait for its turn "
            "are part of it.",
            f"{_TARGET_PER_MINUTE:,} answers a minute are {needed:.0f} a second. An instance is given "
            f"{_JOBS_AT_ONCE} jobs at once: where an answer takes two seconds, {ceil(2 * needed / _JOBS_AT_ONCE)} "
            f"instances are needed ({_MOST_INSTANCES} are allowed by default), if the provider and Firestore "
            "keep up. By the CPU of ours from trigger to notification these are "
            f"{needed * end_to_end.cpu_seconds / end_to_end.jobs:.1f} busy cores.",
        ],
    )


Floor = tuple[int, list[Calls]]


def _rows(regime: str, floor: Floor, ours: list[Calls]) -> Iterator[Measurement]:
    _, bare = floor
    yield _throughput(regime, floor, ours, _AIM)
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        mine, theirs = (mean(calls.latency(share) for calls in those) for those in (ours, bare))
        yield Measurement(
            name=f"… a call's {name}", measured=f"{mine:.2f} s", floor=f"{theirs:.2f} s", number=mine / theirs
        )
    refused, refused_bare = (mean(calls.refused / calls.jobs for calls in those) for those in (ours, bare))
    yield Measurement(name="… refused calls per job", measured=f"{refused:.3f}", floor=f"{refused_bare:.3f}")
    cpu, cpu_bare = (mean(calls.cpu_seconds / calls.jobs for calls in those) for those in (ours, bare))
    yield Measurement(
        name="… CPU per job", measured=_milliseconds(cpu), floor=_milliseconds(cpu_bare), number=cpu / cpu_bare
    )
    yield Measurement(name="… memory at its peak", measured=_megabytes(ours[-1]), floor=_megabytes(bare[-1]))


def _throughput(name: str, floor: Floor, ours: list[Calls], aim: Aim | None) -> Measurement:
    mine, theirs = (mean(calls.per_second for calls in those) for those in (ours, floor[1]))
    dropped = sum(calls.dropped for calls in floor[1])
    return Measurement(
        name=f"answers per second: {name}",
        measured=f"{mine:,.0f}/s",
        floor=f"{theirs:,.0f}/s" + (f", {dropped} dropped and asked again" if dropped else ""),
        number=mine / theirs,
        aim=aim,
        spread=[calls.per_second / theirs for calls in ours],
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _megabytes(calls: Calls) -> str:
    return f"{calls.peak_bytes / 1e6:.0f} MB"


async def _turns(
    provider: tuple[str, ...], jobs: int, callers: tuple[int, ...], rest_seconds: float
) -> tuple[Floor, list[Calls]]:
    """The bare SDK's calls, with the best number of callers, and ours."""
    async with openai_server(*provider) as base_url:

        async def turn(work: Callable[..., Calls], **how_many: int) -> Calls:
            await asyncio.sleep(rest_seconds)
            return await in_a_new_process(partial(work, base_url, jobs=jobs, **how_many))

        searched = {number: await turn(instant_calls.bare, callers=number) for number in callers}
        best = max(callers, key=lambda number: searched[number].per_second)
        ours = [await turn(instant_calls.ours), await turn(instant_calls.ours)]
        return (best, [searched[best], await turn(instant_calls.bare, callers=best)]), ours


async def _end_to_end() -> tuple[Calls, float]:
    """Ours with the database, and for how long that kept the emulator busy."""
    project = f"bench-{secrets.token_hex(6)}"
    client = AsyncClient(project=project)
    job_ids = [f"job{number:017}" for number in range(_END_TO_END_JOBS + _WARM_UP)]
    await commit_all(client, _as_the_app_writes_them(client, job_ids))
    port = os.environ["FIRESTORE_EMULATOR_HOST"].rpartition(":")[2]
    busy_before = busy_seconds(port)
    async with openai_server(*_UNLIMITED) as base_url:
        work = partial(instant_calls.ours_end_to_end, base_url, project=project, job_ids=job_ids)
        calls = await in_a_new_process(work)
    busy = busy_seconds(port) - busy_before
    completed = await number_of(client, "ai_jobs", status="completed")
    check(completed == len(job_ids), f"Of {len(job_ids)} jobs {completed} are completed.")
    for collection in ("classifications", "notifications"):
        found = await number_of(client, collection)
        check(found == len(job_ids), f"There are {found} {collection} of {len(job_ids)} jobs.")
    client.close()
    return calls, busy


def _as_the_app_writes_them(client: AsyncClient, job_ids: list[str]) -> Iterator[Write]:
    now = datetime.now(UTC)
    for number, job_id in enumerate(job_ids):
        job: dict[str, Any] = {
            "userId": f"user{number % _USERS}",
            "type": "waste_classification",
            "speed": "instant",
            "input": {"text": "an empty glass bottle"},
            "status": "created",
            "createdAt": now,
        }
        yield lambda batch, job=job, job_id=job_id: batch.set(client.document(f"ai_jobs/{job_id}"), job)  # type: ignore[misc]
    tokens = 10 * len(job_ids)
    for number in range(_USERS):
        wallet = client.document(f"wallets/user{number}")
        fields = {"balance": tokens, "totalEarned": tokens, "totalSpent": 0, "updatedAt": now}
        grant = {"amount": tokens, "kind": "grant", "createdAt": now}
        yield lambda batch, wallet=wallet, grant=grant: batch.set(  # type: ignore[misc]
            wallet.collection("ledger").document("welcome"), grant
        )
        yield lambda batch, wallet=wallet, fields=fields: batch.set(wallet, fields)  # type: ignore[misc]


async def in_a_new_process(work: Callable[[], Calls]) -> Calls:
    """What the work measures, in a process that has done nothing before."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn, initializer=_without_log) as process:
        return await asyncio.get_running_loop().run_in_executor(process, work)


def _without_log() -> None:
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process lives
