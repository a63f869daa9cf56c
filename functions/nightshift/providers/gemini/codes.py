"""Gemini's errors, each translated once: https://ai.google.dev/gemini-api/docs/troubleshooting.

`{"error": {"code", "status", "message", "details"}}`: the code is an HTTP status in an answer, and one of gRPC in a
line or on a batch. The status is a word for the same.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from nightshift.providers.fields import list_of, object_of
from nightshift.providers.http_api import ApiComplaint
from nightshift.values.trouble import Trouble
from nightshift.values.usage import count_of

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, with the HTTP status of each.
_BY_NUMBER: Final[Mapping[int, tuple[str, int]]] = {
    1: ("CANCELLED", 499),
    2: ("UNKNOWN", 500),
    3: ("INVALID_ARGUMENT", 400),
    4: ("DEADLINE_EXCEEDED", 504),
    5: ("NOT_FOUND", 404),
    7: ("PERMISSION_DENIED", 403),
    8: ("RESOURCE_EXHAUSTED", 429),
    9: ("FAILED_PRECONDITION", 400),
    13: ("INTERNAL", 500),
    14: ("UNAVAILABLE", 503),
    16: ("UNAUTHENTICATED", 401),
}
_STATUS_OF: Final = dict(_BY_NUMBER.values())
_PASSING: Final = frozenset({"DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE"})
_LOCKED: Final = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED"})
# A 400 or 429 that only the operator mends: the key, the country, the credit. Every 429 speaks of plan and billing.
_SAYS_LOCKED: Final = re.compile(
    r"api[_ ]key|credits? (is|are|have been) (depleted|exhausted)|prepa(id|yment)|limit: 0\b|location is not supported",
    re.IGNORECASE,
)
# Words of a 400, in the order in which they are looked for.
_WORDS: Final = (
    (re.compile(r"exceeds the maximum number of tokens|token count", re.IGNORECASE), Trouble.TOO_LONG),
    (re.compile(r"safety|prohibited|policy", re.IGNORECASE), Trouble.POLICY),
    (
        re.compile(r"(fetch|retriev|download|access)[^.]*(url|uri|file|content)", re.IGNORECASE),
        Trouble.IMAGE_NOT_FETCHED,
    ),
    (re.compile(r"image|mime ?type", re.IGNORECASE), Trouble.IMAGE_UNREADABLE),
)
_NAMES_A_MODEL: Final = re.compile(r"\bmodels?/", re.IGNORECASE)
_NAMES_A_FILE: Final = re.compile(r"\bfiles?\b", re.IGNORECASE)
_SECONDS: Final = re.compile(r"(\d+(?:\.\d+)?)s")


def complaint_of(body: Any) -> ApiComplaint:
    """The error in the body of a refusal."""
    return _read(object_of(object_of(body).get("error")))


def trouble_of_line(error: Any) -> tuple[Trouble, str]:
    """Why a line of a batch has no response, and the code of it."""
    complaint, status = _read(object_of(error)), _status(object_of(error))
    return complaint.means(status, is_about_request=True), complaint.code


def trouble_of_batch(error: Any) -> tuple[Trouble, str, str]:
    """Why a batch failed, with its code and the provider's own words."""
    complaint = _read(object_of(error))
    match complaint.code:
        case "RESOURCE_EXHAUSTED" if complaint.trouble is not Trouble.LOCKED:
            trouble = Trouble.QUEUE_FULL
        case "INVALID_ARGUMENT" if complaint.trouble is not Trouble.LOCKED:
            trouble = Trouble.LINES_WRONG
        case _:
            known = complaint.trouble
            # A word on one request says nothing of the others in its batch.
            trouble = known if known and not known.is_final and known is not Trouble.PROVIDER else Trouble.UNKNOWN
    return trouble, complaint.code, complaint.message


def _status(error: Mapping[str, Any]) -> int:
    """The HTTP status of an error, whichever kind of code it has."""
    code = count_of(error.get("code"))
    return code if code >= 100 else _BY_NUMBER.get(code, ("", 500))[1]


def _read(error: Mapping[str, Any]) -> ApiComplaint:
    status, message = error.get("status"), error.get("message")
    status, message = (text if isinstance(text, str) else "" for text in (status, message))
    number = count_of(error.get("code"))
    code = status or _BY_NUMBER.get(number, ("", 0))[0]
    if not code:
        code = next((name for name, http in _STATUS_OF.items() if http == number), "")
    return ApiComplaint(
        code=code,
        message=message,
        trouble=_trouble(code, message),
        retry_after_seconds=_retry_after_seconds(error.get("details")),
    )


def _trouble(code: str, message: str) -> Trouble | None:
    if code in _LOCKED or _SAYS_LOCKED.search(message):
        return Trouble.LOCKED
    if code == "NOT_FOUND" and _NAMES_A_MODEL.search(message) and not _NAMES_A_FILE.search(message):
        return Trouble.MODEL_UNKNOWN
    if code in {"INVALID_ARGUMENT", "FAILED_PRECONDITION"}:
        return next((known for words, known in _WORDS if words.search(message)), None)
    return Trouble.PROVIDER if code in _PASSING else None


def _retry_after_seconds(details: Any) -> float | None:
    """What a `RetryInfo` says: https://cloud.google.com/apis/design/errors#retry_info."""
    delays = (object_of(detail).get("retryDelay") for detail in list_of(details))
    found = (_SECONDS.fullmatch(delay) for delay in delays if isinstance(delay, str))
    return next((float(match[1]) for match in found if match), None)
