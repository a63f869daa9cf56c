"""`GET getBatchStats`: how the night goes, for admins."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nightshift.http.authentication import require_admin
from nightshift.http.limits import read_body
from nightshift.model.job import CANCELLED, COMPLETED, CREATED, FAILED, PROCESSING, QUEUED
from nightshift.runtime import Runtime
from nightshift.store import stats


async def batch_stats(runtime: Runtime, request: Request) -> Response:
    """The number of jobs in each state. `queued` counts those that are not admitted yet, too.

    Raises:
        HttpError: what `require_admin` raises; 413 for any body.
    """
    await read_body(request, 0)
    if not runtime.settings.stats_public:
        await require_admin(runtime, request.headers)
    counts = await stats.count_by_status(runtime)
    return JSONResponse(
        {
            "queued": counts[CREATED] + counts[QUEUED],
            "processing": counts[PROCESSING],
            "completed": counts[COMPLETED],
            "failed": counts[FAILED],
            "cancelled": counts[CANCELLED],
            "total": counts["total"],
            "timestamp": runtime.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    )
