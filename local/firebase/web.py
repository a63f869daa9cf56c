"""What both services share: apps of any origin may call them, and a refusal is a JSON object."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import BaseRoute

from local.firebase.errors import FirebaseError, as_answer

JsonObject = dict[str, Any]

_OWNER = "Bearer owner"
# By which a browser's SDK follows a resumable upload.
_EXPOSED = ("x-goog-upload-status", "x-goog-upload-url", "x-goog-upload-size-received", "x-goog-upload-control-url")


def build_app(routes: Sequence[BaseRoute]) -> Starlette:
    """An ASGI app of these routes."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=_EXPOSED,
        allow_private_network=True,
    )
    return Starlette(routes=list(routes), middleware=[cors], exception_handlers={FirebaseError: as_answer})


def is_owner(request: Request) -> bool:
    """Whether the Admin SDK asks, which sends this token to every emulator."""
    return request.headers.get("authorization", "").lower() == _OWNER.lower()


async def read_object(request: Request) -> JsonObject:
    """The JSON object of the request's body; an empty body is an empty object."""
    body = await request.body()
    try:
        parsed = json.loads(body) if body else {}
    except ValueError:
        raise FirebaseError("Invalid JSON payload received.") from None
    if not isinstance(parsed, dict):
        raise FirebaseError("Invalid JSON payload received.")
    return parsed
