"""What every HTTP function has in common: one method, CORS for the one dashboard, and errors in one form.

An error is `{"error": {"code", "message"}}`. What a library says of its trouble goes to the log, never to the caller.
"""

from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nightshift.log import where_raised
from nightshift.model.errors import HttpError
from nightshift.runtime import Runtime

log = structlog.get_logger()

Answer = Callable[[Runtime, Request], Awaitable[Response]]


async def respond(runtime: Runtime, request: Request, answer: Answer, *, method: str) -> Response:
    """Answer a request of `method` by `answer`, anything else with an error."""
    response = await _respond(runtime, request, answer, method)
    origin = runtime.settings.dashboard_origin
    if origin:
        response.headers["Vary"] = "Origin"
        if request.headers.get("origin") == origin:
            response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Cache-Control"] = "no-store"
    return response


async def _respond(runtime: Runtime, request: Request, answer: Answer, method: str) -> Response:
    try:
        if request.method == "OPTIONS" and _is_from_dashboard(runtime, request):
            allowed = {"Access-Control-Allow-Methods": method, "Access-Control-Allow-Headers": "Authorization"}
            return Response(status_code=204, headers=allowed)
        if request.method != method:
            raise HttpError(405, "method_not_allowed", f"Only {method} is answered here.", {"Allow": method})
        return await answer(runtime, request)
    except HttpError as error:
        body = {"error": {"code": error.code, "message": error.message}}
        return JSONResponse(body, status_code=error.status, headers=error.headers)
    except Exception as bug:  # noqa: BLE001 - whatever it is, the caller gets an answer in the one form
        log.error("request_failed", error=type(bug).__name__, where=where_raised(bug))
        return JSONResponse({"error": {"code": "internal", "message": "Something went wrong here."}}, status_code=500)


def _is_from_dashboard(runtime: Runtime, request: Request) -> bool:
    origin = runtime.settings.dashboard_origin
    return origin is not None and request.headers.get("origin") == origin
