"""A scripted answer to one request, in place of the stand-in's.

Exactly one of four fates: a chat answer (`content` or `refusal`, any `finish_reason`), an HTTP error
(`status_code` of 400 or more, `error_code`, `error_message`), a line error without a response (`error_code`
alone), or `missing`: the batch leaves the line out of every file.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

FinishReason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one request is answered with; a dict as content is sent as JSON text."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    content: str | dict[str, Any] | None = None
    refusal: str | None = None
    finish_reason: FinishReason = "stop"
    status_code: int | None = None
    error_code: str | None = None
    error_message: str = "This answer was scripted."
    missing: bool = False
    # What of the usage of a chat answer is stated instead of the estimate.
    usage: dict[str, Any] | None = None
    # How often the line appears in its file; 2 makes a duplicate.
    copies: int = 1

    @classmethod
    def refuses(cls, refusal: str) -> "Reply":
        """The model refuses: content is null and `refusal` says why."""
        return cls(refusal=refusal)

    @classmethod
    def http_error(cls, status_code: int, code: str | None = None, message: str = "Scripted error.") -> "Reply":
        """The request is answered with an HTTP error, which puts a line into the error file."""
        return cls(status_code=status_code, error_code=code, error_message=message)

    @classmethod
    def line_error(cls, code: str, message: str = "Scripted error.") -> "Reply":
        """The line has no response, only an error, e.g. `request_timeout`."""
        return cls(error_code=code, error_message=message)

    @classmethod
    def nothing(cls) -> "Reply":
        """The line stands in the error file with `status_code: 0` and an empty body, and is counted as completed."""
        return cls(status_code=0)

    @classmethod
    def left_out(cls) -> "Reply":
        """The line appears in no file."""
        return cls(missing=True)
