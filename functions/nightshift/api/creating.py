"""Idempotency-Key without a store of keys: what is created carries the key in its id.

The same user, kind and key always give the same id, and a document is only created where none is. So a repeated request
finds what the first one created, whatever became of the first answer. The fields that its client chose tell whether it
is the same request; if not, it is answered 409. Nothing has to be kept or deleted, and the key holds as long as the
document does.
"""

import hashlib
import secrets
import string
from typing import Final

from nightshift.errors import HttpError

# As long as the ids that Firebase's SDKs make, and of their letters.
_LETTERS: Final = string.ascii_letters + string.digits
_LENGTH: Final = 20
_HEX_DIGITS: Final = 40


def id_for(user_id: str, kind: str, key: str | None) -> str:
    """The id of what a request creates: by its key, or a new one. It fits into a job's id, with some letters more."""
    if key is None:
        return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    parts = b"".join(hashlib.sha256(part.encode()).digest() for part in (user_id, kind, key))
    return f"k-{hashlib.sha256(parts).hexdigest()[:_HEX_DIGITS]}"


def another_body() -> HttpError:
    """The key was used before, for something else."""
    return HttpError(409, "idempotency_mismatch", "This Idempotency-Key was used before, with another body.")
