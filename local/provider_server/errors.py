"""The one error of the servers. Each provider's server words it in the shape in which that provider's API answers.

Whatever is wrong with a request is raised as `ApiError` where it is noticed; the routes turn it into an
answer, and a batch turns it into a line of its results.
"""

from typing import Any

JsonObject = dict[str, Any]


class ApiError(Exception):
    """A request is refused: `status` is the HTTP status, the rest are words of the error object."""

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
        self.message = message
        self.param = param
        self.code = code
        self.kind = kind
