"""`GET getBatchStats`: how the night goes, for admins."""

import asyncio

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nightshift.api.authentication import require_admin
from nightshift.api.limits import read_body
from nightshift.errors import HttpError, TryLater
from nightshift.reports import stats
from nightshift.runtime import Runtime

log = structlog.get_logger()


async def batch_stats(runtime: Runtime, request: Request) -> Response:
    """The number of jobs in each state. `queued` counts those that are not admitted yet, too.

    Raises:
        HttpError: what `require_admin` raises; 413 for any body; 503 when the database does not answer in time.
    """
    await read_body(request, 0, runtime.instance)
    if not runtime.settings.stats_public:
        await require_admin(runtime, request.headers)
    try:
        counts, bulk_open = await asyncio.gather(stats.count_by_status(runtime), stats.count_open_bulk_jobs(runtime))
    except TryLater as trouble:
        log.warning("jobs_not_counted", reason=str(trouble))
        raise HttpError(503, "unavailable", "The jobs cannot be counted now.") from trouble
    timestamp = runtime.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    bulk = {"bulkOpen": bulk_open} if bulk_open else {}
    return JSONResponse({**stats.summary(counts), **bulk, "timestamp": timestamp})
