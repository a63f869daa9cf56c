"""How long do the statistics take when there are many jobs, and what are they billed?

A real process of the function, asked over HTTP; the floor is one bare count of the same collection, through the client
library. Few jobs are counted once for each status. Of many the tick has kept the count, and an answer reads that.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

from google.cloud.firestore import AsyncClient

from bench.counting import bill, counter
from bench.measured import Measured, Measurement, check
from bench.seeding import Write, commit_all, job_id, number_of
from bench.workbench import Workbench, workbench
from local.tokens import unsigned_token
from nightshift import settings
from nightshift.functions import FUNCTIONS
from nightshift.reports import counters
from nightshift.runtime import Runtime
from nightshift.values.status import STATUSES

_SIZES: Final = (100, 100_000)
_ASKED: Final = 5
_TARGET: Final = "get_batch_stats"


async def ask() -> Measured:
    """Ask with few jobs, then with many."""
    measurements, notes = [], []
    with counter():
        async with workbench([function for function in FUNCTIONS if function.target == _TARGET]) as bench:
            runtime = Runtime(settings.load())
            there = 0
            for jobs in _SIZES:
                await commit_all(runtime.firestore, _writes(runtime.firestore, there, jobs))
                there = jobs
                # As a tick does.
                with bill() as counted:
                    await counters.keep(runtime)
                await _check(bench, jobs)
                seconds = await _median_seconds(lambda: _asked(bench))
                floor = await _median_seconds(lambda: number_of(runtime.firestore, "ai_jobs"))
                measurements.append(_measurement(jobs, seconds, floor))
                with bill() as billed:
                    await counters.now(runtime)
                notes.append(
                    f"With {jobs:,} jobs, one answer is billed {billed.reads:,} reads; a count by the tick, if it is "
                    f"time for one, {counted.reads:,}."
                )
                # The next size is counted at once, too.
                await runtime.firestore.document("metrics/counters").delete()
            runtime.firestore.close()
    return Measured(question="How long do the statistics take?", measurements=measurements, notes=notes)


def _measurement(jobs: int, seconds: float, floor: float) -> Measurement:
    return Measurement(
        name=f"GET getBatchStats with {jobs:,} jobs",
        measured=f"{seconds * 1000:,.1f} ms",
        floor=f"{floor * 1000:,.1f} ms",
        number=seconds / floor,
    )


def _writes(client: AsyncClient, first: int, end: int) -> Iterator[Write]:
    now = datetime.now(UTC)

    def create(number: int) -> Write:
        job = {"userId": "alice", "status": STATUSES[number % len(STATUSES)], "createdAt": now}
        return lambda batch: batch.set(client.document(f"ai_jobs/{job_id(number)}"), job)

    return (create(number) for number in range(first, end))


async def _median_seconds(ask_once: Callable[[], Awaitable[Any]]) -> float:
    seconds = []
    for _ in range(_ASKED):
        started_at = time.perf_counter()
        await ask_once()
        seconds.append(time.perf_counter() - started_at)
    return median(seconds)


async def _asked(bench: Workbench) -> dict[str, Any]:
    token = unsigned_token(bench.stack.project, "alice", admin=True)
    url = bench.stack.function_urls[_TARGET]
    answer = await bench.http.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    check(answer.status_code == 200, f"getBatchStats answered {answer.status_code}.")
    told: dict[str, Any] = answer.json()
    return told


async def _check(bench: Workbench, jobs: int) -> None:
    """Also the first call, which builds the function's clients."""
    told = await _asked(bench)
    counted = sum(told[name] for name in ("queued", "processing", "completed", "failed", "cancelled"))
    check(told["total"] == counted == jobs, f"getBatchStats counts {told['total']} of {jobs} jobs.")
