"""`GET getBatchStats`: how the night goes, for admins."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nightshift.api.authentication import require_admin
from nightshift.api.limits import read_body
from nightshift.batches.lanes import with_queued_jobs
from nightshift.database.commits import PASSING
from nightshift.errors import HttpError, TryLater
from nightshift.reports import backlog, costs, counters, stats
from nightshift.runtime import Runtime

log = structlog.get_logger()


async def batch_stats(runtime: Runtime, request: Request) -> Response:
    """The number of jobs in each state, as of `timestamp`. `queued` counts those that are not admitted yet, too.

    With `?since=yesterday`, also `oldestQueuedAt` and `sinceYesterday`: what was done and what it cost.

    Raises:
        HttpError: what `require_admin` raises; 413 for any body; 503 when the database does not answer in time.
    """
    await read_body(request, 0, runtime.instance)
    if not runtime.settings.stats_public:
        await require_admin(runtime, request.headers)
    wants_night = request.query_params.get("since") == "yesterday"
    try:
        found = await counters.now(runtime)
        night = await _last_night(runtime) if wants_night else {}
    except TryLater as trouble:
        log.warning("jobs_not_counted", reason=str(trouble))
        raise HttpError(503, "unavailable", "The jobs cannot be counted now.") from trouble
    bulk = {"bulkOpen": found.open_bulk_jobs} if found.open_bulk_jobs else {}
    counted = stats.summary(found.by_status)
    return JSONResponse({**counted, **bulk, "timestamp": _told(found.counted_at), **night})


async def _last_night(runtime: Runtime) -> dict[str, Any]:
    """What was done since yesterday (UTC) and what it cost, and since when the oldest queued job waits."""
    try:
        night, lanes = await asyncio.gather(costs.since_yesterday(runtime), with_queued_jobs(runtime))
        oldest = await backlog.oldest_queued_at(runtime, lanes)
    except PASSING as error:
        raise TryLater(f"the last night could not be read: {type(error).__name__}") from error
    return {"oldestQueuedAt": oldest and _told(oldest), "sinceYesterday": night.fields()}


def _told(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
