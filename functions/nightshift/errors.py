"""The one error tree. Its class decides what becomes of the event that met it.

| class | what becomes of the event |
|---|---|
| `JobRefused` | the job becomes `failed` with the code and the sentence; the event is dealt with |
| `EventUnreadable` | no redelivery could mend it: logged, and dealt with |
| `NeverLands` | no repetition mends the write: logged once as `write_impossible`, and dealt with |
| `HttpError` | the HTTP caller gets its status and code |
| `TryLater`, and anything else | 5xx: delivered again, or taken up by a later tick |
"""

from collections.abc import Mapping, Sequence
from typing import Final

# Of what passes by itself: most troubles of a database or of Google's keys are over by then.
_RETRY_SECONDS: Final = "5"


class NightshiftError(Exception):
    """The base of all errors that Nightshift raises itself."""


class InvalidSettings(NightshiftError):
    """A setting is missing, malformed or unknown; the message names it."""


class JobRefused(NightshiftError):
    """A job cannot be answered.

    Args:
        code: for programs.
        message: for the person: a sentence of `values/texts.py`, or of the job type.
        reason: for the log: why exactly, in our own words. It quotes nothing that a user wrote. None = the message.
    """

    def __init__(self, code: str, message: str, reason: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.reason = reason or message


class EventUnreadable(NightshiftError):
    """An event names no document of ours."""


class NeverLands(NightshiftError):
    """Firestore never takes this write, however often it is sent: a document is too large, or cannot be stored."""


class TryLater(NightshiftError):
    """A passing trouble: nothing was decided, and the same step may be tried again."""

    # Whether it only passes when the operator acts: a wrong key, no credit.
    needs_operator = False


class BudgetSpent(TryLater):
    """The day's budget has too little left for the next job, which stays queued."""

    def __init__(self, spent_usd: float, budget_usd: float) -> None:
        super().__init__(f"{spent_usd:.2f} of today's {budget_usd:.2f} US dollars are spent")
        self.spent_usd = spent_usd
        self.budget_usd = budget_usd


class ShareSpent(TryLater):
    """The job's user has taken a user's share of the day's budget; the job waits."""


class LeaseHeld(TryLater):
    """Another process holds the lease."""


class LeaseLost(TryLater):
    """The lease ran out and another process holds it now; the step was abandoned and changed nothing."""


class HttpError(NightshiftError):
    """An HTTP request that is answered with `status` and `{"error": {"code", "message"}}`.

    The REST API adds `details`, if there are any, and the request's id. A 503 always says when to come again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: dict[str, str] | None = None,
        details: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = ({"Retry-After": _RETRY_SECONDS} if status == 503 else {}) | (headers or {})
        self.details = details
