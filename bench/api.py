"""How long does each route of the API take with few jobs and with many, and how many reads is it billed?

The function is served in this process, as functions-framework serves it, so that its calls can be counted.
"""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

import httpx
from functions_framework.aio import create_asgi_app
from google.cloud.firestore import AsyncClient

from bench.api_documents import TURNS, USER, fixed, jobs_of_all_ends, live_jobs, play_bulk_job, to_be_changed
from bench.api_requests import REQUESTS, Asked
from bench.counting import bill, counter
from bench.measured import Aim, Measured, Measurement, check
from bench.seeding import commit_all, documents
from bench.workbench import workbench
from local.part import ROOT
from local.tokens import unsigned_token
from nightshift import settings
from nightshift.reports import counters
from nightshift.runtime import Runtime

_SIZES: Final = (100, 100_000)
_SETTINGS: Final = {
    "NIGHTSHIFT_API_REQUESTS_PER_MINUTE": "0",
    "NIGHTSHIFT_ECONOMY": "true",
    "NIGHTSHIFT_FALLBACK_MODEL": "gpt-5-nano",
}


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """What a request costs with so many jobs."""

    seconds: float
    reads: float
    writes: float


async def ask() -> Measured:
    """Ask each route with few jobs, then with many."""
    return await ask_with(_SIZES)


async def ask_with(sizes: Sequence[int]) -> Measured:
    """The same with so many jobs."""
    costs: dict[int, list[_Cost]] = {}
    with counter():
        async with workbench() as bench, AsyncExitStack() as parts:
            os.environ.update(_SETTINGS)
            runtime = Runtime(settings.load())
            client = runtime.firestore
            api = await _api(parts, bench.stack.auth_environment)
            await commit_all(client, fixed(client))
            await play_bulk_job(runtime)
            there = 0
            for jobs in sizes:
                await commit_all(client, jobs_of_all_ends(client, there, jobs))
                await commit_all(client, live_jobs(client, jobs))
                await commit_all(client, to_be_changed(client))
                await _delete_orders(client)
                there = jobs
                # As a tick keeps them.
                await client.document("metrics/counters").delete()
                await counters.keep(runtime)
                costs[jobs] = [await _cost(api, bench.stack.project, request, jobs) for request in REQUESTS]
            client.close()
    few, *_, many = sizes
    rows = [_row(*row) for row in zip(REQUESTS, costs[few], costs[many], strict=True)]
    notes = [
        f"Measured with {many:,} jobs; the floor is with {few:,}. The number is how many reads more that costs.",
        f"Medians of {TURNS - 1} requests each, after one that is not counted.",
        "The emulator goes through all documents of a collection for a query, and Firestore through an index. So the "
        "milliseconds of lists grow here; what is billed, and grows there, are the reads.",
    ]
    return Measured(question="How long does each route of the API take?", measurements=rows, notes=notes)


async def _api(parts: AsyncExitStack, environment: dict[str, str]) -> httpx.AsyncClient:
    os.environ.update(environment)
    app = create_asgi_app("api", str(ROOT / "functions" / "main.py"))
    # Not before the end: its client is built by the first request.
    parts.callback(_close, sys.modules["main"].runtime)
    transport = httpx.ASGITransport(app=app)
    return await parts.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://api", timeout=120))


def _close(runtime: Runtime) -> None:
    runtime.firestore.close()


async def _cost(api: httpx.AsyncClient, project: str, request: Asked, jobs: int) -> _Cost:
    claims = {"email_verified": True, **({"admin": True} if request.as_admin else {})}
    headers = {"Authorization": f"Bearer {unsigned_token(project, USER, **claims)}", **request.headers}
    seconds: list[float] = []
    with bill() as billed:
        for turn in range(TURNS):
            path = request.path.replace("{live}", f"live-{jobs}-{turn}").replace("{turn}", f"{turn}")
            if turn == 1:
                billed.reads = billed.writes = 0
            started_at = time.perf_counter()
            answer = await api.request(request.method, f"/v1{path}", headers=headers, json=request.body)
            seconds.append(time.perf_counter() - started_at)
            check(answer.status_code == request.status, f"{request.method} {path} answered {answer.status_code}.")
    of_each = TURNS - 1
    return _Cost(seconds=median(seconds[1:]), reads=billed.reads / of_each, writes=billed.writes / of_each)


async def _delete_orders(client: AsyncClient) -> None:
    """The orders of the requests before: no worker carries them out here, and `GET /queue` lists them."""
    for order in await documents(client, "orders"):
        await client.document(f"orders/{order}").delete()


def _row(request: Asked, few: _Cost, many: _Cost) -> Measurement:
    return Measurement(
        name=f"{request.method} {request.path}",
        measured=f"{many.seconds * 1000:,.1f} ms, {many.reads:,.0f} reads, {many.writes:,.0f} writes",
        floor=f"{few.seconds * 1000:,.1f} ms, {few.reads:,.0f} reads, {few.writes:,.0f} writes",
        number=max(0.0, many.reads - few.reads),
        aim=Aim(sign="≤", bound=request.most_more),
    )
