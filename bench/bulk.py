"""What does a bulk job take, from its file to its results, against the bare SDK doing the same work?

Both run in this process against the same emulators and the same provider. Ours reads the source, quotes, charges, asks
in parts, settles, refunds and exports, durably. The bare SDK writes a batch file, uploads it, creates the batch, waits,
downloads, validates each answer by the same model, and writes the results to a file that is synced.
"""

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import openai
from google.cloud.firestore import SERVER_TIMESTAMP

from bench.billed import Billed
from bench.counting import bill, counter
from bench.measured import Aim, Measured, Measurement, check
from bench.peak import peak_bytes
from bench.sampling import WAITING, Samples, sampled
from bench.workbench import Workbench, workbench
from nightshift import job_types
from nightshift.bulk.advance import advance_bulk
from nightshift.jobs.job import Job
from nightshift.jobs.request import unaddressed_request
from nightshift.providers.openai.request import ENDPOINT, batch_line
from nightshift.runtime import Runtime
from nightshift.tick.tick import tick
from nightshift.values.lane import Lane
from nightshift.values.status import PROCESSING

# BENCH_BULK_ROWS="50000 1000000" asks for other sizes.
_SIZES: Final = tuple(int(size) for size in os.environ.get("BENCH_BULK_ROWS", "2000 50000").split())
_TYPE: Final = "waste_classification"
_LANE: Final = Lane(provider="openai", endpoint=ENDPOINT, model="gpt-5-mini")
_TIMES: Final = Aim(sign="≤", bound=2.5)
_WRITES: Final = Aim(sign="≤", bound=0.05)
_MEGABYTES: Final = Aim(sign="≤", bound=200)
_LONGEST_SECONDS: Final = 1800
_PARTS: Final = (
    ("reading the source", ("bulk/source/", "bulk/template.py", "bulk/reading.py", "bulk/row_inputs.py")),
    ("stored rows and rounds", ("bulk/stored_rows.py", "bulk/rounds.py", "bulk/round.py", "bulk/members.py")),
    ("requests", ("jobs/request.py", "batches/request_page.py", "providers/openai/request.py")),
    ("judging", ("jobs/settlement.py", "jobs/answer.py", "job_types/", "providers/openai/result.py")),
    ("results", ("bulk/result_rows.py", "bulk/pieces.py", "bulk/zipped.py", "bulk/ended_rows.py")),
    ("pricing", ("pricing/", "providers/estimate.py")),
    WAITING,
)


async def ask() -> Measured:
    """Run both, at each size."""
    measurements, notes = [], []
    for rows in _SIZES:
        with counter():
            async with workbench() as bench:
                ours, peak_megabytes, billed, samples = await _ours(bench, rows)
                bare = await _bare(bench, rows)
        measurements += [
            Measurement(
                name=f"{rows:,} rows, against the bare SDK",
                measured=f"{ours:,.1f} s",
                floor=f"{bare:,.1f} s",
                number=ours / bare,
                aim=_TIMES,
            ),
            Measurement(
                name=f"{rows:,} rows, Firestore writes an item",
                measured=f"{billed.writes:,}",
                number=billed.writes / rows,
                aim=_WRITES,
            ),
            Measurement(
                name=f"{rows:,} rows, peak memory",
                measured=f"{peak_megabytes:,.0f} MB",
                number=peak_megabytes,
                aim=_MEGABYTES,
            ),
        ]
        notes.append(
            f"{rows:,} rows: {billed.cpu_seconds:,.1f} s of this process's CPU, {billed.reads:,} reads. "
            f"Where the time is: {samples}."
        )
    return Measured(
        question="What does a bulk job take, from its file to its results?", measurements=measurements, notes=notes
    )


def _source(rows: int) -> Iterator[bytes]:
    yield b"number,name,note\r\n"
    for number in range(rows):
        yield b'%d,thing %d,"found on a beach, near the pier"\r\n' % (number, number)


async def _ours(bench: Workbench, rows: int) -> tuple[float, float, Billed, Samples]:
    """Bring a bulk job from the file to its results.

    Returns:
        The seconds, the peak in megabytes, what was billed, and where the time was.
    """
    uid = f"alice-{secrets.token_hex(4)}"
    async with bench.project() as runtime:
        bulk_id = await _written(runtime, uid, rows)
        started_at = time.perf_counter()
        with bill() as billed, sampled(*_PARTS) as samples:
            await _to_the_end(bench, runtime, bulk_id)
        # Before the bench itself reads the results.
        seconds, peak_megabytes = time.perf_counter() - started_at, peak_bytes() / 1e6
        ended = (await runtime.firestore.document(f"bulk_jobs/{bulk_id}").get()).to_dict() or {}
        check(ended["status"] == "completed", f"The bulk job is {ended['status']}: {ended.get('errorMessage')}")
        check(ended["counts"]["completed"] == rows, f"{ended['counts']['completed']} of {rows} were completed.")
        results = await asyncio.to_thread(
            runtime.artifacts.blob(f"bulk/{bulk_id}/{ended['files']['jsonl']}").download_as_bytes
        )
        numbers = [json.loads(line)["row"] for line in results.splitlines()]
        check(numbers == list(range(1, rows + 1)), "The results are not each row once, in order.")
        return seconds, peak_megabytes, billed, samples


async def _written(runtime: Runtime, uid: str, rows: int) -> str:
    """A wallet, the uploaded source, and the document of a bulk job."""
    client, bulk_id = runtime.firestore, f"bulk{secrets.token_hex(6)}"
    await client.document(f"wallets/{uid}/ledger/grant").set(
        {"amount": rows, "kind": "grant", "createdAt": SERVER_TIMESTAMP}
    )
    await client.document(f"wallets/{uid}").set(
        {"balance": rows, "totalEarned": rows, "totalSpent": 0, "updatedAt": SERVER_TIMESTAMP}
    )
    name = f"users/{uid}/bulk/{bulk_id}.csv"
    content = b"".join(_source(rows))
    await asyncio.to_thread(runtime.uploads.blob(name).upload_from_string, content, "text/csv")
    await client.document(f"bulk_jobs/{bulk_id}").set(
        {
            "userId": uid,
            "type": _TYPE,
            "status": "created",
            "createdAt": SERVER_TIMESTAMP,
            "source": {"uri": f"gs://{runtime.uploads.name}/{name}"},
            "template": {"text": "What is {{name}}? {{note}}"},
            "maxTokens": rows,
        }
    )
    return bulk_id


async def _to_the_end(bench: Workbench, runtime: Runtime, bulk_id: str) -> None:
    """Advance as trigger, worker and tick do, until the bulk job has ended."""
    ref = runtime.firestore.document(f"bulk_jobs/{bulk_id}")
    async with asyncio.timeout(_LONGEST_SECONDS):
        while True:
            await advance_bulk(runtime, bulk_id, runtime.time_limit(_LONGEST_SECONDS))
            status = (await ref.get(["status"])).get("status")
            if status in {"completed", "failed", "cancelled"}:
                return
            await bench.provider_done()
            await tick(runtime)


async def _bare(bench: Workbench, rows: int) -> float:
    """The same work by the SDK alone; returns the seconds."""
    job_type = job_types.find(_TYPE)
    client = openai.AsyncOpenAI(api_key=bench.stack.openai_api_key, base_url=bench.stack.openai_base_url)
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
