"""What is in the database when the API's bench asks: one user's jobs, batches, bulk jobs, and two months of history."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud.firestore import AsyncClient

from bench.measured import check
from bench.seeding import LANE, Write, job_id
from nightshift.bulk import documents
from nightshift.bulk.advance import advance_bulk
from nightshift.bulk.instant import answer_part
from nightshift.runtime import Runtime
from nightshift.values.day_sums import DaySums, EndSums, GroupKey
from nightshift.values.status import STATUSES
from nightshift.values.waits import WaitHistogram

# All jobs are one user's, the hardest case for its lists.
USER: Final = "alice"
BOTTLE: Final[Mapping[str, Any]] = {"type": "waste_classification", "input": {"text": "an empty glass bottle"}}
ENDED_BULK: Final = "bulk-ended"
UNSUBSCRIBE_KEY: Final = "u" * 43
# Of which status the bulk job is, and what is sent.
BULK_WISHES: Final[Mapping[str, tuple[str, Any]]] = {
    "confirm": ("quoted", {}),
    "pause": ("running", None),
    "resume": ("paused", None),
    "cancel": ("running", None),
    "retry": ("completed", {}),
}
BATCH_WISHES: Final = ("cancel", "retry", "move")
# As often as a route is asked with so many jobs: the things of which each request takes one.
TURNS: Final = 6
_TOKENS: Final = 1_000_000
_BATCHES: Final = 30
_ITEMS: Final = 200
# As many as the trends of eight weeks read.
_DAYS: Final = 63
_ALERT: Final = {"kind": "backlog", "isOpen": True, "message": "A queued job waits.", "value": 7200.0, "limit": 3600.0}


def fixed(client: AsyncClient) -> Iterator[Write]:
    """What does not grow with the number of jobs."""
    now = datetime.now(UTC)
    wallet = {"balance": _TOKENS, "totalEarned": _TOKENS, "totalSpent": 0, "updatedAt": now}
    yield _set(client, f"wallets/{USER}", wallet)
    yield _set(client, f"economy/{USER}", {"points": 1_000, "answered": 100})
    yield _set(client, f"digests/{USER}", {"unsubscribeKey": UNSUBSCRIBE_KEY})
    yield _set(client, "alerts/backlog.1", {**_ALERT, "openedAt": now})
    batch = {"provider": LANE.provider, "endpoint": LANE.endpoint, "model": LANE.model, "lane": str(LANE)}
    for number in range(_BATCHES):
        created_at = now - timedelta(minutes=number)
        ended = {"status": "completed", "jobCount": 10, "createdAt": created_at}
        yield _set(client, f"ai_batches/ns-{number:05}", {**batch, **ended})
    for number in range(_DAYS):
        day = f"{(now - timedelta(days=number)).date()}"
        yield _set(client, f"metrics_days/{day}", {"day": day, **_day().fields()})


def to_be_changed(client: AsyncClient) -> Iterator[Write]:
    """What the requests with one number of jobs change: the same again for another number."""
    now = datetime.now(UTC)
    batch = {"provider": LANE.provider, "endpoint": LANE.endpoint, "model": LANE.model, "lane": str(LANE)}
    sent = {**batch, "status": "submitted", "jobCount": 10, "remoteId": "batch_1", "createdAt": now, "submittedAt": now}
    bulk = {"userId": USER, "type": BOTTLE["type"], "mode": "batch", "lane": str(LANE), "createdAt": now, "parts": 1}
    failed = {**BOTTLE, "userId": USER, "speed": "batch", "status": "failed", "lane": str(LANE), "priority": 5}
    for turn in range(TURNS):
        for wish in BATCH_WISHES:
            yield _set(client, f"ai_batches/ns-{wish}-{turn}", sent)
        for wish, (status, _) in BULK_WISHES.items():
            counts = {"failed": 10 if wish == "retry" else 0}
            yield _set(client, f"bulk_jobs/{wish}-{turn}", {**bulk, "status": status, "counts": counts})
        ended = {"errorCode": "result_invalid", "createdAt": now, "completedAt": now}
        yield _set(client, f"ai_jobs/failed-{turn}", {**failed, **ended})


async def play_bulk_job(runtime: Runtime) -> None:
    """Write a bulk job, and have it answered in real time, by the functions' own code."""
    items = [{"text": f"a bottle of kind {number}"} for number in range(_ITEMS)]
    fields = {"userId": USER, "type": BOTTLE["type"], "mode": "instant", "items": items, "maxTokens": 5 * _ITEMS}
    created = {**fields, "status": "created", "createdAt": datetime.now(UTC)}
    await runtime.firestore.document(f"bulk_jobs/{ENDED_BULK}").set(created)
    time_limit = runtime.time_limit(runtime.settings.tick_seconds)
    await advance_bulk(runtime, ENDED_BULK, time_limit)
    await answer_part(runtime, ENDED_BULK, 1, time_limit)
    await advance_bulk(runtime, ENDED_BULK, time_limit)
    ended = await documents.read(runtime, ENDED_BULK)
    check(ended is not None and ended.counts.completed == _ITEMS, "The bulk job was not answered.")


def jobs_of_all_ends(client: AsyncClient, first: int, end: int) -> Iterator[Write]:
    """So many jobs, one after the other of each status."""
    now = datetime.now(UTC)
    return (_job(client, number, now) for number in range(first, end))


def live_jobs(client: AsyncClient, jobs: int) -> Iterator[Write]:
    """Jobs that a request may cancel: `live-{jobs}-{number}`."""
    fields = {**BOTTLE, "userId": USER, "speed": "batch", "status": "created", "createdAt": datetime.now(UTC)}
    return (_set(client, f"ai_jobs/live-{jobs}-{number}", fields) for number in range(TURNS))


def _job(client: AsyncClient, number: int, now: datetime) -> Write:
    at, status = now - timedelta(seconds=number), STATUSES[number % len(STATUSES)]
    error = {"errorCode": "provider_rejected", "completedAt": at} if status == "failed" else {}
    fields = {**BOTTLE, "userId": USER, "speed": "batch", "priority": 5, "status": status, "lane": str(LANE)}
    return _set(client, f"ai_jobs/{job_id(number)}", {**fields, **error, "createdAt": at, "queuedAt": at})


def _set(client: AsyncClient, path: str, fields: Mapping[str, Any]) -> Write:
    return lambda batch: batch.set(client.document(path), dict(fields))


def _day() -> DaySums:
    """What a busy project ends in a day: twenty types and models."""
    waits = WaitHistogram(bars=dict.fromkeys(range(20, 60), 25))
    sums = EndSums(completed=1_000, tokens=1_000, cost_usd=0.4, realtime_cost_usd=0.8, waits=waits)
    keys = (
        GroupKey(type=f"type_{number % 5}", provider="openai", model=f"model-{number // 5}", mode="batch")
        for number in range(20)
    )
    return DaySums(groups=dict.fromkeys(keys, sums))
