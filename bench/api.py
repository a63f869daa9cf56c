"""How long does each route of the API take with few jobs and with many, and how many reads is it billed?

The function is served in this process, as functions-framework serves it, so that its calls can be counted. All jobs are
one user's, the hardest case for its lists. A route that ends something gets a new one each time.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

import httpx
from functions_framework.aio import create_asgi_app
from google.cloud.firestore import AsyncClient

from bench.billed import Billed
from bench.counting import bill, counter
from bench.measured import Measured, Measurement, check
from bench.seeding import LANE, Write, commit_all, job_id
from bench.workbench import workbench
from local.part import ROOT
from local.tokens import unsigned_token
from nightshift import settings
from nightshift.reports import counters
from nightshift.runtime import Runtime
from nightshift.values.day_sums import DaySums, EndSums, GroupKey
from nightshift.values.status import STATUSES
from nightshift.values.waits import WaitHistogram

_SIZES: Final = (100, 100_000)
_ASKED: Final = 5
_USER: Final = "alice"
_TOKENS: Final = 1_000_000
_BATCHES: Final = 30
# As many as the trends of eight weeks read.
_DAYS: Final = 63
_ALERT: Final = {"kind": "backlog", "isOpen": True, "message": "A queued job waits.", "value": 7200.0, "limit": 3600.0}
_IMAGE: Final = {"purpose": "image", "name": "a.png", "contentType": "image/png"}
_BOTTLE: Final = {"type": "waste_classification", "input": {"text": "an empty glass bottle"}}


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One request; `{live}` in the path is a queued job that none before it has touched."""

    method: str
    path: str
    body: Any = None
    as_admin: bool = False
    status: int = 200


_REQUESTS: Final[Sequence[_Asked]] = (
    _Asked(method="GET", path="/health", as_admin=True),
    _Asked(method="GET", path="/me"),
    _Asked(method="PUT", path="/me/preferences", body={"email": True}),
    _Asked(method="POST", path="/jobs", body=_BOTTLE, status=201),
    _Asked(method="POST", path="/jobs/bulk", body={"jobs": [_BOTTLE] * 250}, status=201),
    _Asked(method="GET", path="/jobs?pageSize=100"),
    _Asked(method="GET", path="/jobs?status=failed&pageSize=100"),
    _Asked(method="GET", path=f"/jobs/{job_id(0)}"),
    _Asked(method="POST", path="/jobs/{live}/cancel"),
    _Asked(
        method="POST",
        path="/uploads",
        body=_IMAGE,
        status=201,
    ),
    _Asked(
        method="POST", path="/bulk-jobs", body={"type": _BOTTLE["type"], "items": [{"text": "x"}] * 1_000}, status=201
    ),
    _Asked(method="GET", path="/bulk-jobs"),
    _Asked(method="GET", path="/batches?pageSize=100", as_admin=True),
    _Asked(method="GET", path="/batches?open=true", as_admin=True),
    _Asked(method="GET", path="/batches/ns-00000", as_admin=True),
    _Asked(method="GET", path="/queue", as_admin=True),
    _Asked(method="POST", path="/queue/submit", body={}, as_admin=True, status=202),
    _Asked(method="POST", path="/jobs/retry", body={"code": "provider_rejected"}, as_admin=True, status=202),
    _Asked(method="GET", path="/scheduler", as_admin=True),
    _Asked(method="POST", path="/scheduler/start", as_admin=True),
    *(
        _Asked(method="GET", path=path, as_admin=True)
        for path in ("/dashboard", "/metrics", "/savings", "/trends?weeks=8", "/report?period=month", "/alerts")
    ),
    _Asked(method="GET", path="/report?period=month&format=md", as_admin=True),
    _Asked(method="POST", path="/alerts/backlog.1/ack", as_admin=True),
)


async def ask() -> Measured:
    """Ask each route with few jobs, then with many."""
    return await ask_with(_SIZES)


async def ask_with(sizes: Sequence[int]) -> Measured:
    """The same with so many jobs."""
    measurements: list[Measurement] = []
    with counter():
        async with workbench() as bench, AsyncExitStack() as parts:
            runtime = Runtime(settings.load())
            client = runtime.firestore
            api = await _api(parts, bench.stack.auth_environment)
            await commit_all(client, _fixed(client))
            there = 0
            for jobs in sizes:
                await commit_all(client, _jobs(client, there, jobs))
                live = iter(f"live-{jobs}-{number}" for number in range(100))
                await commit_all(client, _live(client, jobs))
                there = jobs
                # As a tick keeps them.
                await client.document("metrics/counters").delete()
                await counters.keep(runtime)
                for request in _REQUESTS:
                    seconds, billed = await _measured(api, bench.stack.project, request, live)
                    measurements.append(_row(request, jobs, seconds, billed))
            client.close()
    notes = [f"Medians of {_ASKED} requests each, after one that is not counted."]
    return Measured(question="How long does each route of the API take?", measurements=measurements, notes=notes)


async def _api(parts: AsyncExitStack, environment: dict[str, str]) -> httpx.AsyncClient:
    os.environ.update(environment)
    os.environ["NIGHTSHIFT_API_REQUESTS_PER_MINUTE"] = "0"
    app = create_asgi_app("api", str(ROOT / "functions" / "main.py"))
    # Not before the end: its client is built by the first request.
    parts.callback(_close, sys.modules["main"].runtime)
    transport = httpx.ASGITransport(app=app)
    return await parts.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://api", timeout=120))


def _close(runtime: Runtime) -> None:
    runtime.firestore.close()


async def _measured(api: httpx.AsyncClient, project: str, request: _Asked, live: Iterator[str]) -> tuple[float, Billed]:
    token = unsigned_token(project, _USER, **({"admin": True} if request.as_admin else {}))
    headers = {"Authorization": f"Bearer {token}"}
    seconds: list[float] = []
    with bill() as billed:
        for number in range(_ASKED + 1):
            path = request.path.replace("{live}", next(live)) if "{live}" in request.path else request.path
            if number == 1:
                billed.reads = billed.writes = 0
            started_at = time.perf_counter()
            answer = await api.request(request.method, f"/v1{path}", headers=headers, json=request.body)
            seconds.append(time.perf_counter() - started_at)
            check(answer.status_code == request.status, f"{request.method} {path} answered {answer.status_code}.")
    return median(seconds[1:]), billed


def _row(request: _Asked, jobs: int, seconds: float, billed: Billed) -> Measurement:
    reads, writes = billed.reads / _ASKED, billed.writes / _ASKED
    return Measurement(
        name=f"{request.method} {request.path} with {jobs:,} jobs",
        measured=f"{seconds * 1000:,.1f} ms",
        floor=f"{reads:,.0f} reads, {writes:,.0f} writes",
    )


def _fixed(client: AsyncClient) -> Iterator[Write]:
    now = datetime.now(UTC)
    wallet = {"balance": _TOKENS, "totalEarned": _TOKENS, "totalSpent": 0, "updatedAt": now}
    yield lambda batch: batch.set(client.document(f"wallets/{_USER}"), wallet)
    for number in range(_BATCHES):
        fields = {
            "status": "completed",
            "provider": LANE.provider,
            "endpoint": LANE.endpoint,
            "model": LANE.model,
            "lane": str(LANE),
            "jobCount": 10,
            "createdAt": now - timedelta(minutes=number),
        }

        def create(batch: Any, number: int = number, fields: dict[str, Any] = fields) -> None:
            batch.set(client.document(f"ai_batches/ns-{number:05}"), fields)

        yield create
    yield lambda batch: batch.set(client.document("alerts/backlog.1"), {**_ALERT, "openedAt": now})
    for number in range(_DAYS):
        day = f"{(now - timedelta(days=number)).date()}"

        def write(batch: Any, day: str = day) -> None:
            batch.set(client.document(f"metrics_days/{day}"), {"day": day, **_day().fields()})

        yield write


def _day() -> DaySums:
    """What a busy project ends in a day: twenty types and models."""
    waits = WaitHistogram(bars=dict.fromkeys(range(20, 60), 25))
    sums = EndSums(completed=1_000, tokens=1_000, cost_usd=0.4, realtime_cost_usd=0.8, waits=waits)
    keys = (
        GroupKey(type=f"type_{number % 5}", provider="openai", model=f"model-{number // 5}", mode="batch")
        for number in range(20)
    )
    return DaySums(groups=dict.fromkeys(keys, sums))


def _jobs(client: AsyncClient, first: int, end: int) -> Iterator[Write]:
    now = datetime.now(UTC)

    def create(number: int) -> Write:
        fields = {
            **_BOTTLE,
            "userId": _USER,
            "speed": "batch",
            "priority": 5,
            "status": STATUSES[number % len(STATUSES)],
            "lane": str(LANE),
            "createdAt": now - timedelta(seconds=number),
            "queuedAt": now - timedelta(seconds=number),
        }
        return lambda batch: batch.set(client.document(f"ai_jobs/{job_id(number)}"), fields)

    return (create(number) for number in range(first, end))


def _live(client: AsyncClient, jobs: int) -> Iterator[Write]:
    now = datetime.now(UTC)

    def create(number: int) -> Write:
        fields = {**_BOTTLE, "userId": _USER, "speed": "batch", "status": "created", "createdAt": now}
        return lambda batch: batch.set(client.document(f"ai_jobs/live-{jobs}-{number}"), fields)

    return (create(number) for number in range(100))
