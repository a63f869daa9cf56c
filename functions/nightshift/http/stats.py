"""`GET getBatchStats`: how the night goes, for admins."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nightshift.http.authentication import require_admin
from nightshift.model.errors import HttpError
from nightshift.model.job import CANCELLED, COMPLETED, CREATED, FAILED, PROCESSING, QUEUED
from nightshift.runtime import Runtime
from nightshift.store import stats


async def batch_stats(runtime: Runtime, request: Request) -> Response:
    """Answer with the number of jobs in each state. `queued` holds those that are not admitted yet, too.

    Raises:
        HttpError: 405 for another method, and what `require_admin` raises.
    """
    origin = runtime.settings.dashboard_origin
    cors = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}
    if request.method == "OPTIONS" and origin and request.headers.get("origin") == origin:
        return Response(
            status_code=204,
            headers={
                **cors,
                "Access-Control-Allow-Methods": "GET",
                "Access-Control-Allow-Headers": "Authorization",
            },
        )
    if request.method != "GET":
        raise HttpError(405, "method_not_allowed", "Only GET is answered here.", {"Allow": "GET"})
    if not runtime.settings.stats_public:
        try:
            await require_admin(runtime, request.headers)
        except HttpError as error:
            error.headers = {**error.headers, **cors}
            raise
    counts = await stats.count_by_status(runtime)
    now = runtime.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return JSONResponse(
        {
            "queued": counts[CREATED] + counts[QUEUED],
            "processing": counts[PROCESSING],
            "completed": counts[COMPLETED],
            "failed": counts[FAILED],
            "cancelled": counts[CANCELLED],
            "total": counts["total"],
            "timestamp": now,
        },
        headers={**cors, "Cache-Control": "no-store"},
    )
