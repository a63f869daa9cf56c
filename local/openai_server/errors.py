"""The one error of this server, in the shape in which OpenAI's API answers.

Whatever is wrong with a request is raised as `ApiError` where it is noticed; the routes turn it into an
answer, and a batch turns it into a line of its error file.
"""

from typing import Any

JsonObject = dict[str, Any]


class ApiError(Exception):
    """A request is refused: `status` is the HTTP status, `body` is OpenAI's error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, param=param, code=code, kind=kind)


def error_body(
    message: str, *, param: str | None = None, code: str | None = None, kind: str = "invalid_request_error"
) -> JsonObject:
    """OpenAI's error object: `{"error": {"message", "type", "param", "code"}}`."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
