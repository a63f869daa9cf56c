"""How long does a bulk job in real time take, where the provider allows so many requests a second?

One instance is called for each of its parts, and they share its pace, as in `answerBulkPart`. The provider is a process
of its own, with a rate limit: it refuses what comes too fast. The floor is what its limit allows.

    make bench ONLY=bulk_instant
    BENCH_BULK_LIMITS="100 500" make bench ONLY=bulk_instant    # other limits, in requests a second
"""

import asyncio
import os
import time
from contextlib import suppress
from typing import Final

from google.cloud.firestore import SERVER_TIMESTAMP

from bench.counting import bill, counter
from bench.local_provider import openai_server
from bench.measured import Aim, Measured, Measurement, check
from bench.workbench import Workbench, workbench
from nightshift.bulk import wishes
from nightshift.bulk.advance import advance_bulk
from nightshift.bulk.messages import BulkCall
from nightshift.bulk.work import work
from nightshift.errors import LeaseHeld
from nightshift.runtime import Runtime

_LIMITS: Final = tuple(int(limit) for limit in os.environ.get("BENCH_BULK_LIMITS", "60 150 300").split())
# So long a provider that is never idle takes: what 10,000 items take at 300 a second.
_SECONDS: Final = 33
_PART_ITEMS: Final = 2_000
_ANSWER_SECONDS: Final = 1.0
# What a limit of so many a minute lets through at once.
_BURST_SECONDS: Final = 2
_REST_SECONDS: Final = 0.2
_LONGEST_SECONDS: Final = 900
_TIMES: Final = Aim(sign="≤", bound=1.2)
_REFUSED: Final = Aim(sign="≤", bound=0.05)


async def ask() -> Measured:
    """Run one bulk job at each limit."""
    measurements = []
    with counter():
        async with workbench() as bench:
            for limit in _LIMITS:
                measurements += await _at(bench, limit)
    return Measured(
        question="How long does a bulk job in real time take, where the provider allows so many requests a second?",
        measurements=measurements,
        notes=[
            f"An answer takes {_ANSWER_SECONDS:g} s. The parts have {_PART_ITEMS:,} items, and one instance answers "
            "all of them. It begins without any knowledge of the provider. The time is that from the charge to the "
            "result files.",
            "The instance, the emulators and the provider share this machine's two cores.",
        ],
    )


async def _at(bench: Workbench, limit: int) -> list[Measurement]:
    rows = limit * _SECONDS
    arguments = (
        *("--answer", str(_ANSWER_SECONDS)),
        *("--requests-per-minute", str(60 * limit), "--requests-burst", str(_BURST_SECONDS * limit)),
    )
    async with openai_server(*arguments) as base_url:
        os.environ["OPENAI_BASE_URL"] = base_url
        async with bench.project(part_items=_PART_ITEMS) as runtime:
            await _write(runtime, rows)
            with bill() as billed:
                seconds = await _to_the_end(runtime)
    ended = (await runtime.firestore.document("bulk_jobs/instant").get()).to_dict() or {}
    check(ended["counts"]["completed"] == rows, f"{ended['counts']} of {rows} rows.")
    # The burst comes on top of what the limit allows.
    floor = (rows - _BURST_SECONDS * limit) / limit
    refused = billed.provider_calls["POST /chat/completions"] - rows
    return [
        Measurement(
            name=f"{rows:,} items at {limit} a second",
            measured=f"{seconds:.1f} s",
            floor=f"{floor:.1f} s",
            number=seconds / floor,
            aim=_TIMES,
            left=f"At this limit our process alone computes {limit * billed.cpu_seconds / rows:.2f} s of each second. "
            "It shares the cores with the provider and the emulators.",
        ),
        Measurement(name="… refused calls an item", measured=f"{refused:,}", number=refused / rows, aim=_REFUSED),
        Measurement(name="… Firestore writes an item", measured=f"{billed.writes:,}", number=billed.writes / rows),
        Measurement(
            name="… CPU an item",
            measured=f"{1000 * billed.cpu_seconds / rows:.1f} ms",
        ),
    ]


async def _write(runtime: Runtime, rows: int) -> None:
    tokens = 5 * rows
    await runtime.firestore.document("wallets/alice/ledger/grant").set(
        {"amount": tokens, "kind": "grant", "createdAt": SERVER_TIMESTAMP}
    )
    await runtime.firestore.document("wallets/alice").set(
        {"balance": tokens, "totalEarned": tokens, "totalSpent": 0, "updatedAt": SERVER_TIMESTAMP}
    )
    name = "users/alice/bulk/instant.csv"
    table = "text\n" + "".join(f"thing number {number}\n" for number in range(rows))
    await asyncio.to_thread(runtime.uploads.blob(name).upload_from_string, table.encode(), "text/csv")
    await runtime.firestore.document("bulk_jobs/instant").set(
        {
            "userId": "alice",
            "type": "waste_classification",
            "mode": "instant",
            "status": "created",
            "createdAt": SERVER_TIMESTAMP,
            "source": {"uri": f"gs://{runtime.uploads.name}/{name}"},
        }
    )


async def _to_the_end(runtime: Runtime) -> float:
    """Read and quote it; then charge it, and answer its parts as the workers do that are called; returns the seconds.

    What is called is the same as by the messages, which no function receives here.
    """
    ref = runtime.firestore.document("bulk_jobs/instant")
    await advance_bulk(runtime, "instant", runtime.time_limit(_LONGEST_SECONDS))
    quoted = (await ref.get()).to_dict() or {}
    check(quoted["status"] == "quoted", f"The bulk job is {quoted['status']}: {quoted.get('errorMessage')}")
    await wishes.confirm(runtime, "instant")
    started_at = time.perf_counter()
    await advance_bulk(runtime, "instant", runtime.time_limit(_LONGEST_SECONDS))

    async def worker(part: int) -> None:
        while (await ref.get(["status"])).get("status") == "running":
            # As a message is delivered again.
            with suppress(LeaseHeld):
                await work(runtime, BulkCall(bulk_id="instant", part=part))
            await asyncio.sleep(_REST_SECONDS)

    async with asyncio.timeout(_LONGEST_SECONDS):
        await asyncio.gather(*(worker(part) for part in range(1, quoted["parts"] + 1)))
        while (await ref.get(["status"])).get("status") != "completed":
            await advance_bulk(runtime, "instant", runtime.time_limit(_LONGEST_SECONDS))
    return time.perf_counter() - started_at
