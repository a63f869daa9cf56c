"""The routes: what is served where, which keys are accepted, and how refusals look.

Every answer under `/v1` that is not a success has OpenAI's error shape, also for a route that does not
exist. The key is checked before anything else is looked at.
"""

import hmac
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from local.openai_server.batch_routes import BatchRoutes
from local.openai_server.chat_routes import ChatRoutes
from local.openai_server.errors import error_body
from local.openai_server.file_routes import FileRoutes


class KeyCheck:
    """ASGI middleware: a request under `/v1` needs a bearer key; `api_key=None` accepts any."""

    def __init__(self, app: ASGIApp, api_key: str | None) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            given = Request(scope).headers.get("authorization", "")
            scheme, _, key = given.partition(" ")
            if scheme.lower() != "bearer" or not key.strip():
                message = "You didn't provide an API key: send it in the header 'Authorization: Bearer YOUR_KEY'."
                await JSONResponse(error_body(message), 401)(scope, receive, send)
                return
            if self._api_key is not None and not hmac.compare_digest(key.strip().encode(), self._api_key.encode()):
                refused = error_body("Incorrect API key provided.", code="invalid_api_key")
                await JSONResponse(refused, 401)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def middleware(api_key: str | None, dialect: Callable[[ASGIApp], ASGIApp] | None) -> list[Middleware]:
    """The check of the key, before anything else is looked at; then what another provider says in its own way."""
    return [Middleware(KeyCheck, api_key=api_key), *([Middleware(dialect)] if dialect else [])]


def exception_handlers() -> dict[type[Exception], ExceptionHandler]:
    """A route that does not exist is refused in the API's own shape."""
    return {HTTPException: _refuse_route}


def routes(files: FileRoutes, batches: BatchRoutes, chat: ChatRoutes) -> list[BaseRoute]:
    """What is served under `/v1`."""
    return [
        Mount(
            "/v1",
            routes=[
                Route("/files", files.create, methods=["POST"]),
                Route("/files", files.listing, methods=["GET"]),
                Route("/files/{file_id}", files.retrieve, methods=["GET"]),
                Route("/files/{file_id}", files.delete, methods=["DELETE"]),
                Route("/files/{file_id}/content", files.content, methods=["GET"]),
                Route("/batches", batches.create, methods=["POST"]),
                Route("/batches", batches.listing, methods=["GET"]),
                Route("/batches/{batch_id}", batches.retrieve, methods=["GET"]),
                Route("/batches/{batch_id}/cancel", batches.cancel, methods=["POST"]),
                Route("/chat/completions", chat.complete, methods=["POST"]),
                Route("/embeddings", chat.embed, methods=["POST"]),
            ],
        )
    ]


def _refuse_route(request: Request, refused: Exception) -> Response:
    if not isinstance(refused, HTTPException):
        raise refused
    message, code = refused.detail, None
    if refused.status_code in (404, 405):
        message, code = f"Invalid URL ({request.method} {request.url.path})", "unknown_url"
    return JSONResponse(error_body(message, code=code), refused.status_code, refused.headers)
