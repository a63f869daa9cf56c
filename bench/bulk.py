"""What does a bulk job take, from its file to its results, against the bare SDK doing the same work?

The whole local stack runs: each function in a process of its own, the real triggers, the provider's events, a tick a
minute. Ours reads the source, quotes, charges, asks in parts, settles, refunds and exports, durably. The bare SDK
writes a batch file, uploads it, creates the batch, waits, downloads, validates each answer by the same model, and
writes the results to a file that is synced. Both ask the same provider, one after the other.

    make bench ONLY=bulk
    BENCH_BULK_ROWS="2000 200000" make bench ONLY=bulk     # other sizes, rising; a million takes an hour

The bare SDK is given one batch, so it has no answer to more than 50,000 rows.
"""

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import openai
from google.cloud.firestore import SERVER_TIMESTAMP, AsyncClient
from google.cloud.storage import Client as StorageClient

from bench.counted_function import WRITTEN_EVERY_SECONDS, FunctionCounts, read_counts
from bench.measured import Aim, Measured, Measurement, check
from bench.peak import peak_bytes_of
from bench.profiles import profile
from local.stack import Options, Stack, running_stack
from nightshift import job_types
from nightshift.jobs.job import Job
from nightshift.jobs.request import unaddressed_request
from nightshift.providers.openai.request import ENDPOINT, batch_line
from nightshift.values.lane import Lane
from nightshift.values.status import PROCESSING

_SIZES: Final = tuple(int(size) for size in os.environ.get("BENCH_BULK_ROWS", "2000 50000").split())
# A small bulk job is over in seconds, so it is run so often.
_FEW: Final = 10_000
_RUNS_OF_FEW: Final = 3
_MOST_OF_A_BATCH: Final = 50_000
# The largest source that is taken has 100 MiB.
_WIDE_ROWS: Final = 50_000
_WIDE_NOTE: Final = b"x" * 2_040
# The first rows of a new stack start its connections, and compile the emulators.
_WARM_UP_ROWS: Final = 200
_TYPE: Final = "waste_classification"
_LANE: Final = Lane(provider="openai", endpoint=ENDPOINT, model="gpt-5-mini")
_TIMES: Final = Aim(sign="≤", bound=2.5)
_WRITES: Final = Aim(sign="≤", bound=0.05)
_MEGABYTES: Final = Aim(sign="≤", bound=200)
_FLAT: Final = Aim(sign="≤", bound=1.15)
_TICKS_PER_MINUTE: Final = 1
_LOOK_EVERY_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 3000
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class _BulkRun:
    """What one bulk job took. Times are in seconds."""

    rows: int
    # Of each status, how long the bulk job had it.
    phases: Mapping[str, float]
    functions: Mapping[str, FunctionCounts]
    # The most memory that each function's process has taken since it started.
    peaks: Mapping[str, int]

    @property
    def seconds(self) -> float:
        return sum(self.phases.values())

    @property
    def largest(self) -> tuple[str, int]:
        """The function whose process took the most memory, and how many bytes."""
        return max(self.peaks.items(), key=lambda item: item[1])

    def total(self, what: str) -> int:
        """A count of `Billed` over all functions."""
        counts = [getattr(function.billed, what) for function in self.functions.values()]
        return sum(count.total() if isinstance(count, Counter) else count for count in counts)


async def ask() -> Measured:
    """Run both at each size, in one stack."""
    measurements: list[Measurement] = []
    notes: list[str] = []
    first: _BulkRun | None = None
    with tempfile.TemporaryDirectory(prefix="nightshift-counts-") as folder:
        options = Options(
            project="demo-bulk",
            speed=10.0 * _TICKS_PER_MINUTE,
            framework=("bench.counted_function", folder),
            validating_seconds=0,
            in_progress_seconds=0,
            finalizing_seconds=0,
            settings={"NIGHTSHIFT_MAX_BULK_ITEMS": str(max(50_000, *_SIZES))},
        )
        async with running_stack(options, say=lambda _: None) as stack:
            os.environ.update(stack.environment)
            await _ours(stack, Path(folder), _WARM_UP_ROWS)
            await _bare(stack, _WARM_UP_ROWS)
            for rows in _SIZES:
                pairs = [
                    (await _ours(stack, Path(folder), rows), await _bare(stack, rows))
                    for _ in range(_RUNS_OF_FEW if rows <= _FEW else 1)
                ]
                measurements += _measurements(rows, pairs, first)
                notes += _notes(rows, *pairs[-1])
                first = first or pairs[-1][0]
            measurements.append(await _wide(stack, Path(folder)))
    return Measured(
        question="What does a bulk job take, from its file to its results?",
        measurements=measurements,
        notes=[
            "Each function is a process of its own. All of them, the emulators and the provider share this machine's "
            f"cores. Before the first measurement both sides ran {_WARM_UP_ROWS} rows.",
            *notes,
        ],
    )


def _measurements(
    rows: int, pairs: list[tuple[_BulkRun, float | None]], first: _BulkRun | None
) -> Iterator[Measurement]:
    ours, bare = pairs[-1]
    if bare is not None:
        times = [run.seconds / floor for run, floor in pairs if floor]
        yield Measurement(
            name=f"{rows:,} rows, against the bare SDK",
            measured=f"{median(run.seconds for run, _ in pairs):,.1f} s",
            floor=f"{median(floor for _, floor in pairs if floor):,.1f} s",
            number=median(times),
            aim=_TIMES,
            spread=times if len(times) > 1 else (),
        )
    if first:
        per_row, before = ours.seconds / rows, first.seconds / first.rows
        yield Measurement(
            name=f"{rows:,} rows, a thousand of them, against {first.rows:,}",
            measured=f"{1000 * per_row:.2f} s",
            floor=f"{1000 * before:.2f} s",
            number=per_row / before,
            aim=_FLAT,
        )
    writes = ours.total("writes")
    yield Measurement(name="… Firestore writes an item", measured=f"{writes:,}", number=writes / rows, aim=_WRITES)
    largest, peak = ours.largest
    yield Measurement(
        name=f"… peak memory of a process ({largest})", measured=_megabytes(peak), number=peak / 1e6, aim=_MEGABYTES
    )
    if first:
        yield Measurement(
            name=f"… against that after {first.rows:,} rows",
            measured=_megabytes(peak),
            floor=_megabytes(first.largest[1]),
            number=peak / first.largest[1],
            aim=_FLAT,
            left=f"{rows:,} rows are many parts, and what each holds is at hand while the result files are made.",
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _notes(rows: int, ours: _BulkRun, bare: float | None) -> Iterator[str]:
    phases = ", ".join(f"{status} {seconds:.1f} s" for status, seconds in ours.phases.items())
    of_bare = f"; the bare SDK took {bare:.1f} s" if bare else ""
    cpu = sum(function.cpu_seconds for function in ours.functions.values())
    yield (
        f"{rows:,} rows, where the time goes: {phases}{of_bare}. {cpu:.1f} s of CPU of our "
        f"functions, {ours.total('reads'):,} reads, {ours.total('storage_calls'):,} calls of Cloud Storage, "
        f"{ours.total('provider_calls'):,} of the provider. Peaks: "
        + ", ".join(f"{name} {_megabytes(peak)}" for name, peak in ours.peaks.items())
        + "."
    )
    busy = {name: function for name, function in ours.functions.items() if function.cpu_seconds >= cpu / 20}
    yield profile(busy, rows, of="row")


def _source(rows: int, note: bytes = b"found on a beach, near the pier") -> Iterator[bytes]:
    yield b"number,name,note\r\n"
    for number in range(rows):
        yield b'%d,thing %d,"%b"\r\n' % (number, number, note)


async def _ours(stack: Stack, folder: Path, rows: int) -> _BulkRun:
    """Bring a bulk job from the file to its results, as an app does: by its document alone."""
    client = AsyncClient(project=stack.project)
    uid, bulk_id = f"alice-{secrets.token_hex(4)}", f"bulk{secrets.token_hex(6)}"
    await _prepare(stack, client, uid, bulk_id, b"".join(_source(rows)), tokens=rows)
    # What the processes computed before is not counted.
    await asyncio.sleep(4 * WRITTEN_EVERY_SECONDS)
    before = read_counts(folder)
    phases = await _to(_ENDED, stack, client, uid, bulk_id, "What is {{name}}? {{note}}", rows)
    await _check(stack, client, bulk_id, rows)
    await asyncio.sleep(4 * WRITTEN_EVERY_SECONDS)
    counted = {name: counts.since(before.get(name)) for name, counts in read_counts(folder).items()}
    peaks = _peaks(stack)
    busy = {name: peaks[name] for name, function in counted.items() if function.cpu_seconds >= 0.1}
    client.close()
    return _BulkRun(rows=rows, phases=phases, functions=counted, peaks=busy)


async def _wide(stack: Stack, folder: Path) -> Measurement:
    """Read a source of the largest size to its quote."""
    client = AsyncClient(project=stack.project)
    uid, bulk_id = f"alice-{secrets.token_hex(4)}", f"bulk{secrets.token_hex(6)}"
    source = b"".join(_source(_WIDE_ROWS, _WIDE_NOTE))
    await _prepare(stack, client, uid, bulk_id, source, tokens=1)
    phases = await _to(frozenset({"quoted", *_ENDED}), stack, client, uid, bulk_id, "What is {{name}}?", None)
    quoted = (await client.document(f"bulk_jobs/{bulk_id}").get()).to_dict() or {}
    check(quoted["quote"]["items"] == _WIDE_ROWS, f"The quote is {quoted['quote']}.")
    client.close()
    peak = _peaks(stack)["on_bulk_job_created"]
    return Measurement(
        name=f"a source of {_megabytes(len(source))}, read and quoted in {sum(phases.values()):.1f} s: peak memory",
        measured=_megabytes(peak),
        number=peak / 1e6,
        aim=_MEGABYTES,
    )


def _peaks(stack: Stack) -> dict[str, int]:
    return {target: peak_bytes_of(int(url.rpartition(":")[2])) for target, url in stack.function_urls.items()}


async def _to(
    ends: frozenset[str],
    stack: Stack,
    client: AsyncClient,
    uid: str,
    bulk_id: str,
    template: str,
    max_tokens: int | None,
) -> dict[str, float]:
    """Write the bulk job's document, and look at it until it has one of these statuses.

    Returns:
        How long it had each status.
    """
    ref = client.document(f"bulk_jobs/{bulk_id}")
    fields = {
        "userId": uid,
        "type": _TYPE,
        "status": "created",
        "createdAt": SERVER_TIMESTAMP,
        "source": {"uri": f"gs://{stack.buckets[1]}/{_source_name(uid, bulk_id)}"},
        "template": {"text": template},
    }
    phases: dict[str, float] = {}
    status, since = "created", time.perf_counter()
    await ref.set(fields if max_tokens is None else {**fields, "maxTokens": max_tokens})
    async with asyncio.timeout(_LONGEST_SECONDS):
        while status not in ends:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            seen = (await ref.get(["status"])).get("status")
            now = time.perf_counter()
            phases[status] = phases.get(status, 0.0) + now - since
            status, since = seen, now
    return phases


async def _check(stack: Stack, client: AsyncClient, bulk_id: str, rows: int) -> None:
    ended = (await client.document(f"bulk_jobs/{bulk_id}").get()).to_dict() or {}
    check(ended["status"] == "completed", f"The bulk job is {ended['status']}: {ended.get('errorMessage')}")
    check(ended["counts"]["completed"] == rows, f"{ended['counts']['completed']} of {rows} were completed.")
    await asyncio.to_thread(_check_results, stack, f"bulk/{bulk_id}/{ended['files']['jsonl']}", rows)


def _check_results(stack: Stack, name: str, rows: int) -> None:
    with StorageClient(project=stack.project).bucket(stack.buckets[0]).blob(name).open("rb") as results:
        numbers = (json.loads(line)["row"] for line in results)
        check(
            all(number == expected for number, expected in zip(numbers, range(1, rows + 1), strict=True)),
            "The results are not each row once, in order.",
        )


async def _prepare(stack: Stack, client: AsyncClient, uid: str, bulk_id: str, source: bytes, *, tokens: int) -> None:
    """A wallet, and the uploaded source."""
    wallet = client.document(f"wallets/{uid}")
    await (
        wallet.collection("ledger")
        .document("grant")
        .set({"amount": tokens, "kind": "grant", "createdAt": SERVER_TIMESTAMP})
    )
    await wallet.set({"balance": tokens, "totalEarned": tokens, "totalSpent": 0, "updatedAt": SERVER_TIMESTAMP})
    blob = StorageClient(project=stack.project).bucket(stack.buckets[1]).blob(_source_name(uid, bulk_id))
    await asyncio.to_thread(blob.upload_from_string, source, "text/csv")


def _source_name(uid: str, bulk_id: str) -> str:
    return f"users/{uid}/bulk/{bulk_id}.csv"


async def _bare(stack: Stack, rows: int) -> float | None:
    """The same work by the SDK alone; returns the seconds. None where one batch cannot have so many rows."""
    if rows > _MOST_OF_A_BATCH:
        return None
    job_type = job_types.find(_TYPE)
    client = openai.AsyncOpenAI(api_key=stack.openai_api_key, base_url=stack.openai_base_url)
    started_at = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "input.jsonl"), Path(folder, "results.jsonl")
        with asked.open("wb") as file:  # noqa: ASYNC230 - nothing else runs meanwhile
            for number in range(rows):
                text = f"What is thing {number}? found on a beach, near the pier"
                file.write(batch_line(unaddressed_request(_LANE, _job(f"bare-{number}", text))) + b"\n")
        uploaded = await client.files.create(file=asked, purpose="batch")
        batch = await client.batches.create(
            input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        while batch.status not in {"completed", "failed", "expired", "cancelled"}:
            await asyncio.sleep(0.1)
            batch = await client.batches.retrieve(batch.id)
        content = await client.files.content(batch.output_file_id or "")
        written = 0
        with answered.open("wb") as file:  # noqa: ASYNC230 - the same
            for line in content.content.split(b"\n"):
                if line:
                    body = json.loads(line)["response"]["body"]
                    result = job_type.result_model.model_validate_json(body["choices"][0]["message"]["content"])
                    file.write(result.model_dump_json().encode() + b"\n")
                    written += 1
            file.flush()
            os.fsync(file.fileno())
    await client.close()
    check(written == rows, f"The bare SDK wrote {written} of {rows} results.")
    return time.perf_counter() - started_at


def _job(job_id: str, text: str) -> Job:
    return Job(
        job_id=job_id,
        user_id="bare",
        type=_TYPE,
        input={"text": text},
        status=PROCESSING,
        lane=str(_LANE),
        batch_id=None,
        attempts=0,
        former_batch_ids=(),
        update_time=None,  # type: ignore[arg-type]  # nothing reads it
    )
