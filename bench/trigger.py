"""What does a job's first event cost the process that takes it, against a floor?

The real function, served by functions-framework, is sent the events of jobs of 200 users, 64 at a time. The floor is a
function that takes the same events and makes the same calls to Firestore, with writes that were built before
(`bench/bare_trigger.py`). Both take turns, each in a new project. What is compared is the CPU of their processes: it
depends little on what else the machine does.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
from google.cloud.firestore import AsyncClient

from bench.bare_trigger import JOBS_VARIABLE, USERS, job_id, user_id
from bench.counted_function import WRITTEN_EVERY_SECONDS, read_counts
from bench.instant_calls import busy_seconds
from bench.local_provider import openai_server
from bench.measured import Aim, Measured, Measurement, check
from bench.profiles import profile
from bench.seeding import Write, commit_all, number_of
from local.environment import basic_environment
from local.part import ROOT, Part, ProcessPart, stop
from local.ports import HOST, free_ports

_JOBS: Final = 1_000
_WARM_UP: Final = 100
_ROUNDS: Final = 3
_AT_ONCE: Final = 64
_TARGET: Final = "on_ai_job_created"
_AIM: Final = Aim(sign="≤", bound=1.6)


async def ask() -> Measured:
    """Let ours and the floor take turns, and then look where ours spends its time."""
    async with openai_server() as base_url:
        ours = [await _ours(base_url, number) for number in range(_ROUNDS)]
        floor = [await _floor(number) for number in range(_ROUNDS)]
        with tempfile.TemporaryDirectory(prefix="nightshift-counts-") as folder:
            await _ours(base_url, _ROUNDS, ("-m", "bench.counted_function", "--uncounted", folder))
            looked_at = read_counts(Path(folder))
    ms, floor_ms = median(ours), median(floor)
    return Measured(
        question="What does a job's first event cost the process that takes it, against a floor?",
        measurements=[
            Measurement(
                name="CPU per job, on_ai_job_created",
                measured=f"{ms:.2f} ms",
                floor=f"{floor_ms:.2f} ms",
                number=ms / floor_ms,
                aim=_AIM,
                spread=[mine / theirs for mine, theirs in zip(sorted(ours), sorted(floor), strict=True)],
            ),
        ],
        notes=[
            f"{_JOBS:,} jobs of {USERS} users, {_AT_ONCE} events at once, medians of {_ROUNDS} runs each.",
            profile(looked_at, _JOBS + _WARM_UP),
        ],
    )


async def _ours(base_url: str, number: int, framework: tuple[str, ...] = ("-m", "functions_framework")) -> float:
    settings = {"OPENAI_API_KEY": "bench", "OPENAI_BASE_URL": base_url, "NIGHTSHIFT_COALESCE_SECONDS": "3600"}
    project, client = await _seeded("ours", number)
    ms = await _take_events(project, framework, ROOT / "functions" / "main.py", settings)
    queued = await number_of(client, "ai_jobs", status="queued")
    check(queued >= _JOBS, f"Of {_JOBS} jobs {queued} are queued.")
    client.close()
    return ms


async def _floor(number: int) -> float:
    project, client = await _seeded("floor", number)
    settings = {JOBS_VARIABLE: str(_JOBS + _WARM_UP)}
    ms = await _take_events(project, ("-m", "functions_framework"), ROOT / "bench" / "bare_trigger.py", settings)
    queued = await number_of(client, "ai_jobs", status="queued")
    check(queued == _JOBS + _WARM_UP, f"The floor queued {queued} jobs.")
    client.close()
    return ms


async def _seeded(name: str, number: int) -> tuple[str, AsyncClient]:
    project = f"bench-trigger-{name}-{number}"
    client = AsyncClient(project=project)
    await commit_all(client, _as_the_app_writes_them(client))
    return project, client


def _as_the_app_writes_them(client: AsyncClient) -> Iterator[Write]:
    now = datetime.now(UTC)
    for number in range(_JOBS + _WARM_UP):
        job: dict[str, Any] = {
            "userId": user_id(number),
            "type": "waste_classification",
            "speed": "batch",
            "input": {"text": f"an empty glass bottle, the {number}th of this week"},
            "status": "created",
            "createdAt": now,
        }
        yield lambda batch, job=job, number=number: batch.set(client.document(f"ai_jobs/{job_id(number)}"), job)  # type: ignore[misc]
    for number in range(USERS):
        fields = {"balance": _JOBS, "totalEarned": _JOBS, "totalSpent": 0, "updatedAt": now}
        yield lambda batch, fields=fields, number=number: batch.set(  # type: ignore[misc]
            client.document(f"wallets/{user_id(number)}"), fields
        )


async def _take_events(project: str, framework: tuple[str, ...], source: Path, settings: Mapping[str, str]) -> float:
    """Send all events to a new process; returns its milliseconds of CPU per job after the first ones."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        environment = {name: os.environ[name] for name in os.environ if name.endswith("EMULATOR_HOST")}
        part = ProcessPart(
            name="function",
            address=f"{HOST}:{port}",
            command=[
                *(sys.executable, *framework, "--source", str(source)),
                *("--target", _TARGET, "--host", HOST, "--port", str(port)),
            ],
            environment={
                **basic_environment(os.environ),
                **environment,
                **settings,
                "GOOGLE_CLOUD_PROJECT": project,
                "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}",
            },
            log_dir=Path(folder),
            probe_path="/robots.txt",
        )
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=120) as http:
                await part.ready(http)
                await _send(http, part, range(_JOBS, _JOBS + _WARM_UP))
                before = busy_seconds(str(port))
                await _send(http, part, range(_JOBS))
                busy = busy_seconds(str(port)) - before
                # What a sampled function has seen lies in its file after a while.
                await asyncio.sleep(4 * WRITTEN_EVERY_SECONDS)
        finally:
            stop([part])
    return 1000 * busy / _JOBS


async def _send(http: httpx.AsyncClient, part: Part, numbers: range) -> None:
    rest = iter(numbers)

    async def sender() -> None:
        for number in rest:
            await _send_one(http, part, number)

    await asyncio.gather(*(sender() for _ in range(_AT_ONCE)))


async def _send_one(http: httpx.AsyncClient, part: Part, number: int) -> None:
    """Deliver the event until it is dealt with, as Eventarc does."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": f"event-{number}",
        "ce-type": "google.cloud.firestore.document.v1.created",
        "ce-source": "//firestore.googleapis.com/projects/bench/databases/(default)",
        "ce-document": f"ai_jobs/{job_id(number)}",
        "ce-time": datetime.now(UTC).isoformat(),
        "content-type": "application/protobuf",
    }
    while not await _is_taken(http, part, headers):  # noqa: ASYNC110 - a function tells nothing by itself
        await asyncio.sleep(0.1)


async def _is_taken(http: httpx.AsyncClient, part: Part, headers: Mapping[str, str]) -> bool:
    """Whether a delivery was answered with success; a connection that broke off was no answer."""
    try:
        # A document's message is a few hundred bytes, and no function of ours reads it.
        return (await http.post(f"http://{part.address}/", headers=headers, content=b"x" * 600)).is_success
    except httpx.TransportError:
        return False
