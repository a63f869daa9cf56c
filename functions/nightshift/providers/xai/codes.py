"""xAI's words for trouble, each translated once: https://docs.x.ai/docs/guides/batch-api.

A line's error has a number: an HTTP status, or one of gRPC (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
A batch that xAI itself cancelled says why in a sentence.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from nightshift.providers.openai.codes import Complaint, trouble_of_answer
from nightshift.values.trouble import Trouble

_CANCELLED: Final = 1
_OF_GRPC: Final[Mapping[int, Trouble]] = {
    _CANCELLED: Trouble.STOPPED,
    3: Trouble.REJECTED,  # INVALID_ARGUMENT
    7: Trouble.LOCKED,  # PERMISSION_DENIED
    16: Trouble.LOCKED,  # UNAUTHENTICATED
}
_LEAST_HTTP_STATUS: Final = 100
_SAYS_MODEL: Final = re.compile(r"\bmodel\b", re.IGNORECASE)
_SAYS_LINES: Final = re.compile(r"\b(line|request|json|body|field|custom_id)s?\b", re.IGNORECASE)


def trouble_of_error(error: Any) -> Trouble:
    """Why a line has no response: `{"code", "message"}`."""
    fields = error if isinstance(error, Mapping) else {}
    code, complaint = fields.get("code"), Complaint.read(fields)
    number = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()) else 0
    if number >= _LEAST_HTTP_STATUS or not number:
        return trouble_of_answer(number, complaint)
    known = complaint.trouble or _OF_GRPC.get(number, Trouble.PROVIDER)
    return known if number in _OF_GRPC or not known.is_final else Trouble.PROVIDER


def trouble_of_rejection(message: str) -> Trouble:
    """Why xAI cancelled a batch by itself."""
    if _SAYS_MODEL.search(message):
        return Trouble.MODEL_UNKNOWN
    known = Complaint.read(message).trouble
    return known or (Trouble.LINES_WRONG if _SAYS_LINES.search(message) else Trouble.UNKNOWN)
