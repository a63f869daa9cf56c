"""Anthropic's errors, each translated once: https://platform.claude.com/docs/en/api/errors.

`{"type": "error", "error": {"type", "message", "details": {"error_code"}}, "request_id"}`. Most have no code but their
type; some things that matter stand in the message alone.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from nightshift.providers.fields import object_of
from nightshift.providers.http_api import ApiComplaint
from nightshift.values.trouble import Trouble

# Status and meaning of a type; None where the status, or the words, tell more.
_TYPES: Final[Mapping[str, tuple[int, Trouble | None]]] = {
    "invalid_request_error": (400, None),
    "authentication_error": (401, Trouble.LOCKED),
    "billing_error": (402, Trouble.LOCKED),
    "permission_error": (403, Trouble.LOCKED),
    "not_found_error": (404, None),
    "request_too_large": (413, Trouble.TOO_LONG),
    "rate_limit_error": (429, Trouble.PROVIDER),
    "api_error": (500, Trouble.PROVIDER),
    "timeout_error": (504, Trouble.PROVIDER),
    "overloaded_error": (529, Trouble.PROVIDER),
}
# A 429 that no waiting mends.
_LOCKED_CODES: Final = frozenset({"enforced_spend_limit_reached"})
# Words of a 400, in the order in which they are looked for.
_WORDS: Final = (
    (re.compile(r"credit balance|usage limits?|spend limit", re.IGNORECASE), Trouble.LOCKED),
    (
        re.compile(r"prompt is too long|too many (input )?tokens|context (window|length)", re.IGNORECASE),
        Trouble.TOO_LONG,
    ),
    (re.compile(r"content filtering|content policy|usage polic", re.IGNORECASE), Trouble.POLICY),
    (
        re.compile(r"(download|fetch|retriev|access|tim(ed|e) ?out)[^.]*(url|file|image)|url[^.]*(robots|fetch)", re.I),
        Trouble.IMAGE_NOT_FETCHED,
    ),
    (re.compile(r"image", re.IGNORECASE), Trouble.IMAGE_UNREADABLE),
)
_NAMES_A_MODEL: Final = re.compile(r"\bmodel\b", re.IGNORECASE)


def complaint_of(body: Any) -> ApiComplaint:
    """The error in the body of a refusal."""
    return _read(object_of(object_of(body).get("error")))


def trouble_of_line(error: Any) -> tuple[Trouble, str]:
    """Why a line of a batch has no message, and the code of it.

    Args:
        error: `{"type": "error", "error": {"type", "message"}}`.
    """
    said = object_of(object_of(error).get("error"))
    complaint = _read(said)
    status, _ = _TYPES.get(complaint.code, (500, None))
    return complaint.means(status, is_about_request=True), complaint.code


def _read(error: Mapping[str, Any]) -> ApiComplaint:
    kind, message = error.get("type"), error.get("message")
    kind, message = (text if isinstance(text, str) else "" for text in (kind, message))
    code = object_of(error.get("details")).get("error_code")
    if code in _LOCKED_CODES:
        return ApiComplaint(code=str(code), message=message, trouble=Trouble.LOCKED)
    _, trouble = _TYPES.get(kind, (500, None))
    if kind == "invalid_request_error":
        trouble = next((known for words, known in _WORDS if words.search(message)), None)
    elif kind == "not_found_error" and _NAMES_A_MODEL.search(message):
        trouble = Trouble.MODEL_UNKNOWN
    return ApiComplaint(code=kind, message=message, trouble=trouble)
