"""The one error of these two services, in the shape in which Google's APIs answer."""

from starlette.requests import Request
from starlette.responses import JSONResponse


class FirebaseError(Exception):
    """A request is refused. `message` begins with a code that the SDKs know, such as `EMAIL_EXISTS`."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def as_answer(_request: Request, error: Exception) -> JSONResponse:
    """The answer that a FirebaseError becomes."""
    assert isinstance(error, FirebaseError)  # noqa: S101 - the only class that this handler is registered for
    reason = {"message": error.message, "domain": "global", "reason": "invalid"}
    body = {"error": {"code": error.status, "message": error.message, "errors": [reason]}}
    return JSONResponse(body, error.status)
