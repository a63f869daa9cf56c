"""Does the memory of a function process grow with the size of a batch?

Real processes, started as the stack starts them. A tick assembles and submits all jobs that are queued; a worker copies
the provider's output, cuts it, and settles the shards, for which Pub/Sub calls it. Each process is new: its peak is
that of this one piece of work. The floor is a batch of the size that is ingested in place.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from google.cloud.firestore import AsyncClient

from bench.measured import Aim, Measured, Measurement, check
from bench.peak import peak_bytes_of
from bench.seeding import check_all_completed, documents, seed_queued_jobs
from bench.workbench import Workbench, workbench
from nightshift.functions import FUNCTIONS

_FEW: Final = 2_000
_MANY: Final = 50_000
_AIM: Final = Aim(sign="≤", bound=1.15)
_SUBMITS: Final = "process_batch_jobs"
_INGESTS: Final = "ingest_batch_results"
_LONGEST_SECONDS: Final = 900
_ROUNDS: Final = 2


@dataclass(frozen=True, kw_only=True)
class _Peaks:
    """Peak resident memory of the two processes, in bytes; what they did is checked."""

    submitting: int
    ingesting: int


async def ask() -> Measured:
    """Run a few jobs, then many, through new processes."""
    rounds = [(await _peaks(_FEW), await _peaks(_MANY)) for _ in range(_ROUNDS)]
    few, many = zip(*rounds, strict=True)
    return Measured(
        question="Does the memory of a function process grow with the size of a batch?",
        measurements=[
            _measurement(
                f"assembling and submitting {_MANY:,} jobs",
                [peaks.submitting for peaks in many],
                [peaks.submitting for peaks in few],
            ),
            _measurement(
                f"ingesting {_MANY:,} lines", [peaks.ingesting for peaks in many], [peaks.ingesting for peaks in few]
            ),
        ],
        notes=[f"Peak resident memory (VmHWM) of a function's process; the floor is the same with {_FEW:,} jobs."],
    )


def _measurement(name: str, peaks: Sequence[int], floors: Sequence[int]) -> Measurement:
    peak, floor = median(peaks), median(floors)
    return Measurement(
        name=name,
        measured=_megabytes(peak),
        floor=_megabytes(floor),
        number=peak / floor,
        aim=_AIM,
        spread=[mine / theirs for mine, theirs in zip(peaks, floors, strict=True)],
    )


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


async def _peaks(jobs: int) -> _Peaks:
    targets = [function for function in FUNCTIONS if function.target in {_SUBMITS, _INGESTS}]
    async with workbench(targets) as bench:
        client = AsyncClient(project=bench.stack.project)
        await seed_queued_jobs(client, jobs)
        await _deliver(bench, _SUBMITS, {})
        submitting = peak_bytes_of(_port(bench, _SUBMITS))
        ((batch_id, batch),) = (await documents(client, "ai_batches")).items()
        check(batch.get("jobCount") == jobs, f"The batch holds {batch.get('jobCount')} of {jobs} jobs.")
        await bench.provider_done()
        await _deliver(bench, _INGESTS, {"batchId": batch_id})
        await _closed(client, batch_id)
        ingesting = peak_bytes_of(_port(bench, _INGESTS))
        await check_all_completed(client, jobs)
        client.close()
        return _Peaks(submitting=submitting, ingesting=ingesting)


async def _deliver(bench: Workbench, target: str, call: Any) -> None:
    """Deliver a Pub/Sub message to a function, and wait until it is dealt with."""
    headers = {
        "ce-id": secrets.token_hex(8),
        "ce-source": "//bench",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
    }
    message = {"data": base64.b64encode(json.dumps(call).encode()).decode(), "attributes": {}}
    body = {"message": message, "subscription": "bench"}
    url = bench.stack.function_urls[target]
    answer = await bench.http.post(url, headers=headers, json=body, timeout=_LONGEST_SECONDS)
    check(answer.status_code == 200, f"{target} answered {answer.status_code}.")


async def _closed(client: AsyncClient, batch_id: str) -> None:
    """Wait until the workers have closed the batch."""
    async with asyncio.timeout(_LONGEST_SECONDS):
        ref = client.document(f"ai_batches/{batch_id}")
        while (await ref.get()).get("status") != "completed":  # noqa: ASYNC110 - another process closes it
            await asyncio.sleep(0.5)


def _port(bench: Workbench, target: str) -> int:
    return int(bench.stack.function_urls[target].rpartition(":")[2])
