"""What every HTTP function has in common: one method, CORS for the one web origin, if any, and errors in one form.

An error is `{"error": {"code", "message"}}`. What a library says of its trouble goes to the log, never to the caller.

CORS opens the one origin that is configured, compared as a whole, and nothing else: never `*`, never `null`, and
never with cookies, which no function here reads.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nightshift.api.limits import check_headers
from nightshift.errors import HttpError
from nightshift.log import where_raised
from nightshift.runtime import Runtime

log = structlog.get_logger()

Answer = Callable[[Runtime, Request], Awaitable[Response]]

# What is answered is JSON for a program: no browser shows, frames, guesses at, keeps or follows it.
# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


async def respond(
    runtime: Runtime, request: Request, answer: Answer, *, method: str, origin: str | None = None
) -> Response:
    """Answer a request of `method` by `answer`, anything else with an error. Browsers may ask from `origin` only."""
    response = await _respond(runtime, request, answer, method, origin)
    if origin:
        response.headers["Vary"] = "Origin"
        if request.headers.get("origin") == origin:
            response.headers["Access-Control-Allow-Origin"] = origin
    response.headers.update(SECURITY_HEADERS)
    return response


async def _respond(runtime: Runtime, request: Request, answer: Answer, method: str, origin: str | None) -> Response:
    try:
        check_headers(request)
        if request.method == "OPTIONS" and origin and request.headers.get("origin") == origin:
            allowed = {"Access-Control-Allow-Methods": method, "Access-Control-Allow-Headers": "Authorization"}
            return Response(status_code=204, headers=allowed)
        if request.method != method:
            raise HttpError(405, "method_not_allowed", f"Only {method} is answered here.", {"Allow": method})
        return await answer(runtime, request)
    except HttpError as error:
        body = {"error": {"code": error.code, "message": error.message}}
        # What is refused before it was read is not listened to any longer.
        return JSONResponse(body, status_code=error.status, headers={"Connection": "close", **(error.headers or {})})
    except Exception as bug:  # noqa: BLE001 - whatever it is, the caller gets an answer in the one form
        log.error("request_failed", error=type(bug).__name__, where=where_raised(bug))
        return JSONResponse({"error": {"code": "internal", "message": "Something went wrong here."}}, status_code=500)
