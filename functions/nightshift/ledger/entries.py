"""The entries of a ledger: their kinds, their ids and their fields, all in one place.

An entry's id says what it is for, and entries are created, never set. So the same charge, refund or grant cannot be
written twice, and an id is also its own cap.

| kind | id | amount |
|---|---|---|
| charge | `{jobId}.charge` | minus the job's price |
| refund | `{jobId}.refund` | what was charged |
| grant | the name that its giver chose, without a full stop | what is given |

A full stop in an id marks the ids that the functions choose themselves. So a new kind of theirs can meet no grant: a
daily login, a conversion of points, an achievement, a bulk job (CONTRACT.md, sections 7 and 9, has their ids).
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["charge", "refund", "grant"]

# What one grant may add: a slip of the finger makes no user rich.
MOST_GRANTED: Final = 1_000_000
_GRANT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change of a wallet, in tokens: less than 0 for a charge."""

    entry_id: str
    kind: Kind
    amount: int
    # None for a grant.
    job_id: str | None = None

    def fields(self) -> dict[str, Any]:
        """The document's fields, but for its time."""
        job = {"jobId": self.job_id} if self.job_id else {}
        return {"amount": self.amount, "kind": self.kind, **job}


def charge(job_id: str, tokens: int) -> Entry:
    """The entry that pays a job."""
    return Entry(entry_id=charge_id(job_id), kind="charge", amount=-tokens, job_id=job_id)


def refund(job_id: str, tokens: int) -> Entry:
    """The entry that gives a job's tokens back."""
    return Entry(entry_id=refund_id(job_id), kind="refund", amount=tokens, job_id=job_id)


def grant(entry_id: str, tokens: int) -> Entry:
    """The entry that gives a user tokens."""
    return Entry(entry_id=entry_id, kind="grant", amount=tokens)


def charge_id(job_id: str) -> str:
    """The id of the entry that pays a job."""
    return f"{job_id}.charge"


def refund_id(job_id: str) -> str:
    """The id of the entry that gives a job's tokens back."""
    return f"{job_id}.refund"


def names_a_grant(entry_id: str) -> bool:
    """Whether a ledger entry of this id is a grant's, and no job's whatever the job's id."""
    return bool(_GRANT_ID.fullmatch(entry_id)) and not entry_id.startswith("__")
