"""A month of closed batches, as the functions leave them: their documents, of the classes that write them.

The tick folds them into the history as it folds all others. Must lie there before the first tick does so.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from unittest.mock import patch

from google.cloud.firestore import AsyncClient

from nightshift.batches.asked import MembersAsked
from nightshift.batches.breakdown import Breakdown
from nightshift.batches.counts import Counts
from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd
from nightshift.values.lane import Lane
from nightshift.values.usage import Usage

DAYS: Final = 29
_LANES: Final = {
    "waste_classification": Lane(provider="openai", endpoint="/v1/chat/completions", model="gpt-5-mini"),
    "personalized_text": Lane(provider="anthropic", endpoint="/v1/messages", model="claude-haiku-4-5"),
    "photo_rating": Lane(provider="gemini", endpoint="generateContent", model="gemini-2.5-flash"),
}
_CODES: Final = ("result_invalid", "provider_refused")
# A month that saves its first thousand dollars.
_TOKENS_OF_A_JOB: Final = Usage(input_tokens=6_000, output_tokens=9_000)
_QUIET_DAY: Final = 11
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"


def batches_of_a_month(now: datetime, chance: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each batch's path and document: of three lanes on each day before this one. One day is quiet."""
    for ago in range(1, DAYS + 1):
        if ago == _QUIET_DAY:
            continue
        began = (now.astimezone(UTC) - timedelta(days=ago)).replace(hour=2, minute=0, second=0, microsecond=0)
        for job_type, lane in _LANES.items():
            jobs = chance.randint(800, 4_000)
            yield _batch(job_type, lane, jobs, began, chance)


def batch_that_ended_badly(now: datetime) -> tuple[str, dict[str, Any]]:
    """A batch that ended a quarter of an hour ago, and half of whose jobs failed."""
    job_type, lane = next(iter(_LANES.items()))
    began, chance = now - timedelta(minutes=20), random.Random(4)  # noqa: S311 - no secret
    return _batch(job_type, lane, 40, began, chance, failed=20, took=timedelta(minutes=5))


def _batch(
    job_type: str,
    lane: Lane,
    jobs: int,
    began: datetime,
    chance: random.Random,
    *,
    failed: int | None = None,
    took: timedelta | None = None,
) -> tuple[str, dict[str, Any]]:
    failed = chance.randint(0, jobs // 40) if failed is None else failed
    counts = Counts(completed=jobs - failed, failed=failed)
    usage = Usage(
        input_tokens=_TOKENS_OF_A_JOB.input_tokens * counts.completed,
        output_tokens=_TOKENS_OF_A_JOB.output_tokens * counts.completed,
    )
    errors = {_CODES[0]: failed - failed // 3, _CODES[1]: failed // 3} if failed else {}
    ended = began + (took or timedelta(minutes=chance.randint(20, 300)))
    name = "ns-" + "".join(chance.choices(_LETTERS, k=20))
    return f"ai_batches/{name}", {
        "provider": lane.provider,
        "endpoint": lane.endpoint,
        "model": lane.model,
        "lane": str(lane),
        "status": "completed",
        "remoteId": f"batch_{name[3:15]}",
        "jobCount": jobs,
        "counts": counts.fields(),
        "breakdown": Breakdown(counts={job_type: counts}, errors=errors).fields(),
        "asked": MembersAsked.of_items(job_type, jobs, began).fields(),
        "usage": usage.fields(),
        "costUsd": batch_cost_usd(lane.provider, lane.model, usage),
        "realtimeCostUsd": realtime_cost_usd(lane.provider, lane.model, usage),
        "budgetDay": f"{began.astimezone(UTC).date()}",
        "createdAt": began,
        "submittedAt": began + timedelta(seconds=4),
        "endedAt": ended,
        "completedAt": ended + timedelta(seconds=9),
    }


async def store(firestore_host: str, project: str, documents: dict[str, dict[str, Any]]) -> None:
    """Put documents into the emulator's database, by their paths."""
    with patch.dict(os.environ, {"FIRESTORE_EMULATOR_HOST": firestore_host}):
        database = AsyncClient(project=project)
    try:
        writes = database.batch()
        for path, fields in documents.items():
            writes.set(database.document(path), fields)
        await writes.commit()
    finally:
        database.close()
