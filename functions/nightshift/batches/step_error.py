"""Why a batch does not go on: the last error of its step, the field `lastError` of its document.

The process that meets the error writes it with the commit that gives the lease free, so it costs no write. Only while
the provider is at work, where a look writes nothing, it costs one, and one more when it is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from nightshift.database.fields import time_or_none


@dataclass(frozen=True, kw_only=True)
class StepError:
    """The last error of a batch's step. The commit of the next step that succeeds deletes it."""

    # Our own words: no text of a provider's, a library's or a user's.
    reason: str
    # Whether it passes only when the operator acts.
    needs_operator: bool
    # When the step failed first, and when last.
    since: datetime
    at: datetime

    @classmethod
    def read(cls, fields: Any) -> Self | None:
        """The error in a batch's field; None if no error can be read there."""
        if not isinstance(fields, Mapping):
            return None
        since, at = time_or_none(fields.get("since")), time_or_none(fields.get("at"))
        if since is None or at is None:
            return None
        reason, needs_operator = str(fields.get("reason")), bool(fields.get("needsOperator"))
        return cls(reason=reason, needs_operator=needs_operator, since=since, at=at)

    def fields(self) -> dict[str, Any]:
        """The batch's field."""
        return {"reason": self.reason, "needsOperator": self.needs_operator, "since": self.since, "at": self.at}
