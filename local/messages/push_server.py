"""A server that speaks Firebase Cloud Messaging's HTTP v1: `POST /v1/projects/{project}/messages:send`.

Its refusals have the form of https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode. A message for a device
that was told to be gone is answered 404 UNREGISTERED.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"} | {
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass(kw_only=True)
class PushServer:
    """What was pushed, and what is to go wrong."""

    say: Callable[[str], None] = lambda _: None
    # Each as it came, in the form of FCM's Message.
    pushes: list[dict[str, Any]] = field(default_factory=list)
    # Devices whose app was taken off.
    gone: set[str] = field(default_factory=set)
    # The status codes of the next answers.
    faults: deque[int] = field(default_factory=deque)

    @property
    def app(self) -> Starlette:
        """The ASGI app."""
        return Starlette(routes=[Route("/v1/projects/{project}/messages:send", self._send, methods=["POST"])])

    async def _send(self, request: Request) -> Response:
        body = await request.json()
        message = body.get("message") if isinstance(body, dict) else None
        if not isinstance(message, dict) or not message.get("token"):
            return _refusal(400, "INVALID_ARGUMENT")
        if self.faults:
            status = self.faults.popleft()
            return _refusal(status, "QUOTA_EXCEEDED" if status == 429 else _CODES.get(status, "INTERNAL"))
        if message["token"] in self.gone:
            return _refusal(404, "UNREGISTERED")
        self.pushes.append(message)
        told = message.get("notification", {})
        self.say(f"Push to a device: “{told.get('title')}” {told.get('body')}")
        project = request.path_params["project"]
        return JSONResponse({"name": f"projects/{project}/messages/{len(self.pushes)}"})


def _refusal(status: int, error_code: str) -> Response:
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": error_code}
    error = {"code": status, "message": "on request", "status": _CODES.get(status, "INTERNAL"), "details": [detail]}
    return JSONResponse({"error": error}, status_code=status)
