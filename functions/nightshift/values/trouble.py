"""Why a job has no answer, in words that no provider owns: whose fault it is, and what passes by itself.

One table for the lines of a batch, for answers in real time, for batches that failed and for calls. Each provider's
adapter translates its own codes into it, in one place; no other module knows a provider's code.

| whose fault | what becomes of the job |
|---|---|
| the job's own, and final: a known set | it fails at once, with a sentence for the person |
| the job's own, and it may pass | an attempt is spent |
| the provider's | no attempt is spent, so many times; after that it is an attempt like any other |
| the account's, or the queue is full | no attempt is ever spent: it passes when the operator acts, or there is room |

What no adapter knows may pass: it is never final.
"""

from enum import StrEnum
from typing import Any, Final


class Trouble(StrEnum):
    """The kinds of trouble. As a value it stands in documents and in the log."""

    # The job's own, and final.
    POLICY = "policy"
    IMAGE_UNREADABLE = "image_unreadable"
    TOO_LONG = "too_long"

    # The job's own, and it may pass.
    ANSWER_INVALID = "answer_invalid"
    # The provider read the request and rejected it, for a reason that is not known here.
    REJECTED = "rejected"
    # The batch ended without a word on the job: it was answered, it ran out of time, or it was cancelled there. Each
    # may take a day, so the attempts bound how long a job waits.
    LEFT_OUT = "left_out"
    EXPIRED = "expired"
    STOPPED = "stopped"
    # The provider calls lines of the batch's input file wrong.
    LINES_WRONG = "lines_wrong"

    # The provider's.
    PROVIDER = "provider"
    IMAGE_NOT_FETCHED = "image_not_fetched"
    # A batch failed, or was not taken, for a reason that is not known here.
    UNKNOWN = "unknown"

    # The provider's queue for this model has no room now.
    QUEUE_FULL = "queue_full"

    # The account's.
    LOCKED = "locked"
    STORAGE_FULL = "storage_full"
    MODEL_UNKNOWN = "model_unknown"

    @property
    def is_final(self) -> bool:
        """Whether no repetition mends it."""
        return self in _FINAL

    @property
    def spends_attempt(self) -> bool:
        """Whether it is the job's own, so that asking again is another of its attempts."""
        return self in _OWN

    @property
    def needs_operator(self) -> bool:
        """Whether it only passes when the operator acts."""
        return self in _ACCOUNT

    @property
    def is_waited_for(self) -> bool:
        """Whether a job waits for its end however long it takes."""
        return self.needs_operator or self is Trouble.QUEUE_FULL

    @classmethod
    def read(cls, name: Any) -> "Trouble | None":
        """The trouble of this name in a document, or None."""
        return next((trouble for trouble in cls if trouble == name), None)


_FINAL: Final = frozenset({Trouble.POLICY, Trouble.IMAGE_UNREADABLE, Trouble.TOO_LONG})
_OWN: Final = frozenset(
    {
        *(Trouble.ANSWER_INVALID, Trouble.REJECTED, Trouble.LINES_WRONG),
        *(Trouble.LEFT_OUT, Trouble.EXPIRED, Trouble.STOPPED),
    }
)
_ACCOUNT: Final = frozenset({Trouble.LOCKED, Trouble.STORAGE_FULL, Trouble.MODEL_UNKNOWN})


def worst(*troubles: Trouble | None) -> Trouble | None:
    """Of several, one for which the operator has to act, if there is one; None if there is no trouble."""
    some = [trouble for trouble in troubles if trouble]
    return max(some, key=lambda trouble: trouble.needs_operator, default=None)
