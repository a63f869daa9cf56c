"""How long do fifty thousand jobs take from the queue to the provider?

The first floor writes the same bytes: to the storage emulator through the same client, and to the provider in one bare
HTTP request. But a job's way into a batch is a write to its document, so there is a second floor, which makes these
writes, too, in raw commits. Besides: how long the event loop stands still, since the SDK reads the file that it uploads
synchronously.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import IO, Any, Final
from unittest.mock import patch

from google.cloud.firestore import SERVER_TIMESTAMP

from bench.measured import Aim, Measured, Measurement, check
from bench.sampling import WAITING, Samples, sampled
from bench.seeding import LANE, Write, commit_all, documents, job_id, number_of, seed_queued_jobs
from bench.workbench import Workbench, workbench
from nightshift.batches.advance import submit_lane
from nightshift.providers.openai.client import OpenAIProvider
from nightshift.runtime import Runtime

_JOBS: Final = 50_000
_AIM: Final = Aim(sign="≤", bound=2)
_TICK_SECONDS: Final = 0.005
_ROUNDS: Final = 2
_PARTS: Final = (
    ("uploading", ("providers/openai/client.py:upload",)),
    (
        "building request lines",
        ("batches/request_page.py", "jobs/request.py", "providers/openai/request.py", "job_types/"),
    ),
    WAITING,
    ("reading jobs", ("batches/queue.py", "database/decoding.py", "documents.py:job_")),
    ("building and encoding commits", ("batches/documents.py", "database/commits.py", "firestore_v1/")),
    # The pages are made on its way, so it stands behind all that makes them.
    ("writing to Cloud Storage", ("batches/artifacts.py",)),
    ("gRPC", ("grpc/",)),
    ("HTTP", ("httpx", "httpcore", "h11", "site-packages/openai/")),
)


@dataclass(kw_only=True)
class _Span:
    """From when to when something was done."""

    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def seconds(self) -> float:
        return self.ended_at - self.started_at


@dataclass(kw_only=True)
class _Pulse:
    """When the event loop came round."""

    beats: list[float] = field(default_factory=list)

    def longest_gap(self, span: _Span) -> float:
        """The longest time within the span in which the loop did nothing else, in seconds."""
        inside = [beat for beat in self.beats if span.started_at <= beat <= span.ended_at]
        points = [span.started_at, *inside, span.ended_at]
        return max(after - before for before, after in pairwise(points))


@dataclass(frozen=True, kw_only=True)
class _MeasuredSubmit:
    """One measured run and its floors, in seconds."""

    whole: _Span
    upload: _Span
    cpu_seconds: float
    pulse: _Pulse
    samples: Samples
    megabytes: float
    # Floors: the same bytes to Cloud Storage and to the provider, and the jobs' updates raw.
    storing: float
    sending: float
    claiming: float

    @property
    def floor_seconds(self) -> float:
        return self.storing + self.sending + self.claiming


async def ask() -> Measured:
    """Submit the jobs, and write the same bytes and the same fields without the journey."""
    async with workbench() as bench:
        runs = [await _run(bench) for _ in range(_ROUNDS)]
    ratios = [run.whole.seconds / run.floor_seconds for run in runs]
    last = runs[-1]
    before_upload = _Span(started_at=last.whole.started_at, ended_at=last.upload.started_at)
    return Measured(
        question=f"How long do {_JOBS:,} jobs take from the queue to the provider?",
        measurements=[
            _measurement("all, against writing the same bytes", last.whole.seconds, last.storing + last.sending),
            replace(
                _measurement("… and updating each job, raw", last.whole.seconds, last.floor_seconds),
                number=median(ratios),
                aim=_AIM,
                spread=ratios,
                left="Each job is read from a stream that brings one message for each document, and its request is "
                "validated and written. The floor does neither, and both need CPU of this one process.",
            ),
            _measurement("of it the upload, against bare HTTP", last.upload.seconds, last.sending),
            Measurement(name="CPU per job", measured=f"{1000 * last.cpu_seconds / _JOBS:.2f} ms"),
            _stillness("the loop stands still, while it uploads", last.pulse.longest_gap(last.upload)),
            _stillness("the loop stands still, before that", last.pulse.longest_gap(before_upload)),
        ],
        notes=[
            f"The number is the median of {_ROUNDS} runs, all else of the last. {last.megabytes:,.0f} MB of JSONL. "
            f"Floors: {last.storing:.1f} s to Cloud Storage, {last.sending:.1f} s to the provider, "
            f"{last.claiming:.1f} s for raw commits of the jobs' updates.",
            f"{last.cpu_seconds / last.whole.seconds:.0%} of the time is this process's own CPU. "
            f"Where it is: {last.samples}.",
        ],
    )


async def _run(bench: Workbench) -> _MeasuredSubmit:
    async with bench.project() as runtime:
        await seed_queued_jobs(runtime.firestore, _JOBS)
        whole, upload = _Span(), _Span()
        with sampled(*_PARTS) as samples, _timed_upload(upload):
            async with _pulse() as pulse:
                cpu_started_at, whole.started_at = time.process_time(), time.perf_counter()
                await submit_lane(runtime, LANE, runtime.time_limit(1_800), coalesce=False)
                whole.ended_at, cpu_seconds = time.perf_counter(), time.process_time() - cpu_started_at
        content = await _submitted(bench, runtime)
        return _MeasuredSubmit(
            whole=whole,
            upload=upload,
            cpu_seconds=cpu_seconds,
            pulse=pulse,
            samples=samples,
            megabytes=len(content) / 1e6,
            storing=await _timed(asyncio.to_thread(_store, runtime, content)),
            sending=await _timed(_send(bench, content)),
            claiming=await _timed(commit_all(runtime.firestore, _claims(runtime))),
        )


def _measurement(name: str, seconds: float, floor: float) -> Measurement:
    return Measurement(name=name, measured=f"{seconds:.1f} s", floor=f"{floor:.1f} s", number=seconds / floor)


def _stillness(name: str, seconds: float) -> Measurement:
    return Measurement(name=name, measured=f"{seconds * 1000:,.0f} ms")


@asynccontextmanager
async def _pulse() -> AsyncIterator[_Pulse]:
    pulse = _Pulse()

    async def beat() -> None:
        while True:
            pulse.beats.append(time.perf_counter())
            await asyncio.sleep(_TICK_SECONDS)

    beating = asyncio.create_task(beat())
    try:
        yield pulse
    finally:
        beating.cancel()


def _timed_upload(span: _Span) -> Any:
    """The provider's own upload, timed."""
    upload = OpenAIProvider.upload

    async def timed(provider: OpenAIProvider, batch_id: str, content: IO[bytes]) -> str:
        span.started_at = time.perf_counter()
        try:
            return await upload(provider, batch_id, content)
        finally:
            span.ended_at = time.perf_counter()

    return patch.object(OpenAIProvider, "upload", timed)


async def _timed(work: Awaitable[None]) -> float:
    started_at = time.perf_counter()
    await work
    return time.perf_counter() - started_at


async def _submitted(bench: Workbench, runtime: Runtime) -> bytes:
    """The input file of the one batch, after a look at whether all is in it."""
    client = runtime.firestore
    ((batch_id, batch),) = (await documents(client, "ai_batches")).items()
    check(batch.get("status") == "submitted", f"The batch is {batch.get('status')}.")
    processing = await number_of(client, "ai_jobs", status="processing", batchId=batch_id)
    check(processing == _JOBS, f"{processing} of {_JOBS} jobs are in the batch.")
    content: bytes = await asyncio.to_thread(
        runtime.artifacts.blob(f"batches/{batch_id}/input.jsonl").download_as_bytes
    )
    lines = content.count(b"\n")
    check(lines == _JOBS, f"The input file has {lines} lines.")
    await bench.provider_done()
    return content


def _store(runtime: Runtime, content: bytes) -> None:
    runtime.artifacts.blob("floor.jsonl").upload_from_file(io.BytesIO(content), size=len(content))


async def _send(bench: Workbench, content: bytes) -> None:
    answer = await bench.http.post(
        f"{bench.stack.openai_base_url}/files",
        headers={"Authorization": f"Bearer {bench.stack.openai_api_key}"},
        data={"purpose": "batch"},
        files={"file": ("floor.jsonl", content)},
        timeout=300,
    )
    answer.raise_for_status()


def _claims(runtime: Runtime) -> Iterator[Write]:
    client = runtime.firestore
    changes = {
        "status": "processing",
        "batchId": "ns-00000000000000000000",
        "attempts": 1,
        "submittedAt": SERVER_TIMESTAMP,
        "updatedAt": SERVER_TIMESTAMP,
    }

    def claim(number: int) -> Write:
        return lambda batch: batch.update(client.document(f"ai_jobs/{job_id(number)}"), changes)

    return (claim(number) for number in range(_JOBS))
