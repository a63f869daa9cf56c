"""Serving the REST API: which route, who calls, how much; then the handler, and the answer in the one form.

What a request is checked for, in this order, cheapest first: its headers' size, its route and method, its token, its
user's rate, App Check, its query, its body. Each error has the one form, with `details` where there are any, and with
the request's id. That is a new one for each request, on all its events, and in the header X-Request-Id.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Final

import structlog
from google.api_core.exceptions import RetryError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from structlog.contextvars import bind_contextvars

from nightshift.api.app_check import require_app
from nightshift.api.authentication import Caller, require_user, still_admin
from nightshift.api.limits import check_headers, check_is_json, read_body
from nightshift.api.request_rates import take_request
from nightshift.api.responses import SECURITY_HEADERS
from nightshift.api.route import BASE, ApiCall, ApiRoute
from nightshift.api.routes import ROUTES
from nightshift.api.shapes.common import ApiModel, ErrorAnswer, ErrorBody, ErrorDetail
from nightshift.database.commits import PASSING
from nightshift.errors import HttpError, NeverLands, TryLater
from nightshift.log import where_raised
from nightshift.runtime import Runtime
from nightshift.values.text import cleaned

log = structlog.get_logger()

_EMPTY_BODIES: Final = (b"", b"{}")
_MOST_EMPTY_BYTES: Final = 16
_MOST_FORM_BYTES: Final = 1_024
_MOST_DETAILS: Final = 10
_LONGEST_DETAIL: Final = 200
# https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
_KEY: Final = re.compile(r"[!-~]{1,200}")
_UNREAD: Final = (401, 403, 408, 413, 415, 429, 431)
_REQUEST_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Firebase-AppCheck"
_EXPOSED_HEADERS: Final = "ETag, Retry-After, X-Request-Id"
_PREFLIGHT_SECONDS: Final = "3600"


async def _never_called(_: Request) -> Response:
    raise AssertionError("routes are only matched")


# Starlette's own matching of paths and methods.
_TABLE: Final = [
    (Route(f"{BASE}{path}", _never_called, methods=[row.method]), row)
    for row in ROUTES
    for path in (row.path, *row.aliases)
]


async def serve(runtime: Runtime, request: Request) -> Response:
    """Answer a request to the API."""
    request_id = secrets.token_hex(10)
    bind_contextvars(request_id=request_id)
    matched = _Matched.of(request)
    code = None
    try:
        response = await _answer(runtime, request, matched)
    except HttpError as error:
        code = error.code
        response = _error(error, request_id)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer in the one form
        http_error = _translated(error)
        code = http_error.code
        response = _error(http_error, request_id)
    _finish(runtime, request, response, request_id)
    name = matched.row.name if matched.row else None
    log.info("api_request", route=name, status=response.status_code, code=code)
    return response


async def _answer(runtime: Runtime, request: Request, matched: "_Matched") -> Response:
    check_headers(request)
    if request.method == "OPTIONS" and matched.methods and _is_dashboard(runtime, request):
        allowed = {
            "Access-Control-Allow-Methods": ", ".join(matched.methods),
            "Access-Control-Allow-Headers": _REQUEST_HEADERS,
            "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        }
        return Response(status_code=204, headers=allowed)
    row = matched.row
    if row is None:
        if not matched.methods:
            raise HttpError(404, "not_found", "There is no such route.")
        allow = ", ".join(matched.methods)
        raise HttpError(405, "method_not_allowed", f"Only {allow} is answered here.", {"Allow": allow})
    caller = await _caller(runtime, request, row)
    if caller:
        await require_app(runtime, request.headers)
    call = ApiCall(
        runtime=runtime,
        caller=caller,
        path=matched.path,
        query=_query(request, row),
        body=await _body(runtime, request, row),
        key=_idempotency_key(request, row),
    )
    answer = await row.handler(call)
    return answer if isinstance(answer, Response) else _json(request, row, answer)


class _Matched:
    """The row of a request's path and method, and which methods its path has."""

    def __init__(self, row: ApiRoute | None, path: Mapping[str, str], methods: list[str]) -> None:
        self.row = row
        self.path = path
        self.methods = methods

    @classmethod
    def of(cls, request: Request) -> "_Matched":
        methods: list[str] = []
        for route, row in _TABLE:
            match, scope = route.matches(request.scope)
            # Starlette answers HEAD where GET is; no handler here does.
            if match is not Match.NONE and request.method == row.method:
                return cls(row, scope["path_params"], [])
            if match is not Match.NONE:
                methods.append(row.method)
        return cls(None, {}, methods)


async def _caller(runtime: Runtime, request: Request, row: ApiRoute) -> Caller | None:
    if row.who == "public" and "authorization" not in request.headers:
        return None
    caller = await require_user(runtime, request.headers)
    # Before Firebase Auth is asked about an admin: an admin in a loop does not use its quota up.
    take_request(runtime, caller.user_id)
    # A public route answers an admin with more.
    is_asked = caller.claims_admin if row.who == "public" or row.admits_owner else row.who == "admin"
    return await still_admin(runtime, caller) if is_asked else caller


def _query(request: Request, row: ApiRoute) -> ApiModel | None:
    given = request.query_params.multi_items()
    fields = dict(given)
    if row.query is None:
        if given:
            raise HttpError(400, "invalid_request", "This route takes no query parameters.")
        return None
    if len(fields) != len(given):
        raise HttpError(400, "invalid_request", "A query parameter is given twice.")
    try:
        return row.query.model_validate_strings(fields)
    except ValidationError as invalid:
        raise _invalid("query", invalid) from None


async def _body(runtime: Runtime, request: Request, row: ApiRoute) -> ApiModel | None:
    if row.passes_over_form:
        await read_body(request, _MOST_FORM_BYTES, runtime.instance)
        return None
    if row.body is None:
        if (await read_body(request, _MOST_EMPTY_BYTES, runtime.instance)).strip() not in _EMPTY_BODIES:
            raise HttpError(400, "invalid_request", "This route takes no body.")
        return None
    check_is_json(request)
    content = await read_body(request, row.most_bytes, runtime.instance)
    try:
        return row.body.model_validate_json(content, strict=True)
    except ValidationError as invalid:
        raise _invalid("body", invalid) from None


def _idempotency_key(request: Request, row: ApiRoute) -> str | None:
    given = request.headers.getlist("idempotency-key")
    if not given or not row.creates:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise HttpError(400, "invalid_request", "An Idempotency-Key has 1 to 200 visible ASCII characters.")
    return given[0]


def _json(request: Request, row: ApiRoute, answer: BaseModel) -> Response:
    content = answer.model_dump_json(exclude_none=True, by_alias=True).encode()
    if not row.is_polled:
        return Response(content, status_code=row.status, media_type="application/json")
    # Of what is answered, so it holds for every route, and never for another caller's answer.
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in _tags(request):
        return Response(status_code=304, headers=headers)
    return Response(content, status_code=row.status, media_type="application/json", headers=headers)


def _tags(request: Request) -> set[str]:
    # A proxy that compresses makes of a tag a weak one.
    given = request.headers.get("if-none-match", "")
    return {tag.strip().removeprefix("W/") for tag in given.split(",")}


def _invalid(part: str, invalid: ValidationError) -> HttpError:
    found = invalid.errors(include_input=False, include_url=False, include_context=False)[:_MOST_DETAILS]
    details = [
        {"field": _short(".".join(map(str, error["loc"])) or part), "reason": _short(error["msg"])} for error in found
    ]
    return HttpError(400, "invalid_request", f"The {part} is not valid.", details=details)


def _short(text: str) -> str:
    return cleaned(text)[:_LONGEST_DETAIL]


def _translated(error: Exception) -> HttpError:
    """What is answered for an error that no handler foresaw."""
    if isinstance(error, TryLater):
        log.warning("api_unavailable", error=type(error).__name__, reason=str(error))
    elif isinstance(error, (*PASSING, RetryError)):
        log.warning("api_unavailable", error=type(error).__name__, reason="Firestore did not answer")
    elif isinstance(error, NeverLands):
        return HttpError(400, "invalid_request", "This cannot be stored: it is too large.")
    else:
        log.error("request_failed", error=type(error).__name__, where=where_raised(error))
        return HttpError(500, "internal", "Something went wrong here.")
    return HttpError(503, "unavailable", "The database does not answer now; try again.")


def _error(error: HttpError, request_id: str) -> Response:
    body = ErrorBody(
        code=error.code,
        message=error.message,
        details=[ErrorDetail(**detail) for detail in error.details] or None,
        requestId=request_id,
    )
    content = ErrorAnswer(error=body).model_dump_json(exclude_none=True)
    # What is refused before it was read is not listened to any longer.
    unread = {"Connection": "close"} if error.status in _UNREAD else {}
    return Response(content, status_code=error.status, media_type="application/json", headers=unread | error.headers)


def _finish(runtime: Runtime, request: Request, response: Response, request_id: str) -> None:
    kept = response.headers.get("Cache-Control")
    response.headers.update(SECURITY_HEADERS)
    if kept:
        response.headers["Cache-Control"] = kept
    response.headers["X-Request-Id"] = request_id
    if runtime.settings.dashboard_origin:
        response.headers["Vary"] = "Origin"
        if _is_dashboard(runtime, request):
            response.headers["Access-Control-Allow-Origin"] = runtime.settings.dashboard_origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS


def _is_dashboard(runtime: Runtime, request: Request) -> bool:
    origin = runtime.settings.dashboard_origin
    return origin is not None and request.headers.get("origin") == origin
