"""OpenAI's error codes, each translated once. Batch lines, answers in real time, batches and calls are read by it.

https://platform.openai.com/docs/guides/error-codes, https://platform.openai.com/docs/guides/batch, and what public bug
reports show. A code that stands in no set here may pass.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from nightshift.values.trouble import Trouble

_POLICY: Final = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "image_content_policy_violation",
        "invalid_prompt",
        "moderation_blocked",
        "policy_violation",
        "safety_violation",
    }
)
_IMAGE_UNREADABLE: Final = frozenset(
    {
        "empty_image_file",
        "image_file_too_large",
        "image_parse_error",
        "image_too_large",
        "image_too_small",
        "invalid_base64_image",
        "invalid_image",
        "invalid_image_format",
        "invalid_image_mode",
        "unsupported_image",
        "unsupported_image_media_type",
    }
)
_IMAGE_NOT_FETCHED: Final = frozenset({"failed_to_download_image", "image_file_not_found", "invalid_image_url"})
_TOO_LONG: Final = frozenset({"context_length_exceeded", "string_above_max_length"})
_PROVIDER: Final = frozenset(
    {
        "engine_overloaded",
        "internal_error",
        "overloaded",
        "rate_limit_exceeded",
        "request_timeout",
        "server_error",
        "service_unavailable",
        "timeout",
    }
)
_LOCKED: Final = frozenset(
    {
        "access_terminated",
        "account_deactivated",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_quota",
        "invalid_api_key",
    }
)
_STORAGE_FULL: Final = frozenset({"quotaExceeded", "storage_limit_reached", "storage_quota_exceeded"})
_MODEL_UNKNOWN: Final = frozenset({"model_not_available", "model_not_found"})
_QUEUE_FULL: Final = frozenset({"token_limit_exceeded"})
_LINES_WRONG: Final = frozenset(
    {
        "duplicate_custom_id",
        "empty_file",
        "invalid_json_line",
        "invalid_url",
        "mismatched_model",
        "missing_required_parameter",
        "model_mismatch",
        "too_many_tasks",
        "url_mismatch",
    }
)
_BY_CODE: Final[Mapping[str, Trouble]] = {
    code: trouble
    for trouble, codes in (
        (Trouble.POLICY, _POLICY),
        (Trouble.IMAGE_UNREADABLE, _IMAGE_UNREADABLE),
        (Trouble.IMAGE_NOT_FETCHED, _IMAGE_NOT_FETCHED),
        (Trouble.TOO_LONG, _TOO_LONG),
        (Trouble.PROVIDER, _PROVIDER),
        (Trouble.LOCKED, _LOCKED),
        (Trouble.STORAGE_FULL, _STORAGE_FULL),
        (Trouble.MODEL_UNKNOWN, _MODEL_UNKNOWN),
        (Trouble.QUEUE_FULL, _QUEUE_FULL),
        (Trouble.LINES_WRONG, _LINES_WRONG),
        # Groq's: the model did not keep to the schema.
        (Trouble.ANSWER_INVALID, {"json_validate_failed"}),
        # Of a line: its batch ended before its turn.
        (Trouble.EXPIRED, {"batch_expired"}),
        (Trouble.STOPPED, {"batch_cancelled"}),
    )
    for code in codes
}
_LOCKED_STATUS: Final = frozenset({401, 402, 403})
# The request was not judged: the connection, a limit or a lock was in the way. 499 is a proxy's word for "gone", 498
# Groq's for "no capacity".
_PASSING_STATUS: Final = frozenset({404, 408, 409, 410, 421, 423, 424, 425, 426, 429, 498, 499})
# These have no code of their own: `You have exceeded your file storage quota.` and `Cannot find file file-x, …`.
_SAYS_STORAGE_FULL: Final = re.compile(r"storage (quota|limit)|quota for files", re.IGNORECASE)
# xAI's words under a 429: "…used all available credits or reached its monthly spending limit…".
_SAYS_NO_CREDIT: Final = re.compile(r"all available credits|spending limit", re.IGNORECASE)
_SAYS_NOT_FETCHED: Final = re.compile(r"download|fetch|timed?[ -]?out", re.IGNORECASE)
_SAYS_NOT_FOUND: Final = re.compile(r"(not|can't) (find|found|be found|exist)|no such", re.IGNORECASE)
_FILE_PARAMETERS: Final = frozenset({"file_id", "input_file_id"})
_NOT_FOUND: Final = frozenset({"not_found", "file_not_found", "resource_not_found"})


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """OpenAI's error object, as far as it can be read."""

    code: str = ""
    kind: str = ""
    message: str = ""
    parameter: str = ""

    @classmethod
    def read(cls, error: Any) -> Self:
        """Read an `error` object: `{"message", "type", "param", "code"}`, any of which may be missing."""
        # xAI puts its sentence there, and no object.
        fields = error if isinstance(error, Mapping) else {"message": error}
        texts = {name: fields.get(name) for name in ("code", "type", "message", "param")}
        code, kind, message, parameter = (text if isinstance(text, str) else "" for text in texts.values())
        return cls(code=code, kind=kind, message=message, parameter=parameter)

    @property
    def trouble(self) -> Trouble | None:
        """What its code, or its type, is known to mean."""
        known = _BY_CODE.get(self.code) or _BY_CODE.get(self.kind)
        if known is None and _SAYS_NO_CREDIT.search(self.message):
            return Trouble.LOCKED
        about_image = known is Trouble.IMAGE_UNREADABLE or "image" in self.parameter
        return Trouble.IMAGE_NOT_FETCHED if about_image and _SAYS_NOT_FETCHED.search(self.message) else known


def trouble_of_answer(status: Any, complaint: Complaint) -> Trouble:
    """Why a request has no answer, by the HTTP status under which it has none; 0 and what is no status are one, too.

    What is final is so under a 4xx only: of a server in trouble no word is taken for final.
    """
    known = complaint.trouble
    is_judged = isinstance(status, int) and 400 <= status < 500
    if known and not (known.is_final and not is_judged):
        return known
    if not is_judged or status in _PASSING_STATUS:
        return Trouble.PROVIDER
    return Trouble.LOCKED if status in _LOCKED_STATUS else Trouble.REJECTED


def trouble_of_line(complaint: Complaint) -> Trouble:
    """Why a line of a batch has no response at all."""
    known = complaint.trouble
    return known if known and not known.is_final else Trouble.PROVIDER


def trouble_of_batch(complaint: Complaint) -> Trouble:
    """Why a batch failed."""
    known = Trouble.STORAGE_FULL if _SAYS_STORAGE_FULL.search(complaint.message) else complaint.trouble
    # A word on one request says nothing of the others in its batch.
    return known if known and not known.is_final else Trouble.UNKNOWN


def trouble_of_call(status: int, complaint: Complaint) -> Trouble:
    """Why a call was refused that is about no single request."""
    if _SAYS_STORAGE_FULL.search(complaint.message):
        return Trouble.STORAGE_FULL
    trouble = trouble_of_answer(status, complaint)
    return Trouble.UNKNOWN if trouble.is_final or trouble is Trouble.REJECTED else trouble


def misses_a_file(complaint: Complaint) -> bool:
    """Whether a refusal says that the file is not there: the words under which a new file is not visible yet."""
    says_so = _SAYS_NOT_FOUND.search(complaint.message) is not None or complaint.code in _NOT_FOUND
    return complaint.parameter in _FILE_PARAMETERS and says_so
