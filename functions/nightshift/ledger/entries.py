"""The entries of a ledger: their kinds, their ids and their fields, all in one place.

An entry's id says what it is for, and entries are created, never set. So the same charge, refund or grant cannot be
written twice, and an id is also its own cap.

| kind | id | amount |
|---|---|---|
| charge | `{jobId}.charge` | minus the job's price |
| refund | `{jobId}.refund` | what was charged |
| charge of a bulk job | `bulk.{bulkId}.charge.{round}` | minus the price of all items that are to be answered |
| refund of a bulk job | `bulk.{bulkId}.refund.{part}.{round}` | the price of the items that ended without an answer |
| grant | the name that its giver chose, without a full stop | what is given |
| welcome | `welcome.1` | 50 |
| login | `login.{day}` | 2 |
| conversion | `convert.{day}.{1 to 5}` | what the points bring |
| achievement | `achievement.{id}` | as it is declared |

A full stop in an id marks the ids that the functions choose themselves. So a kind of theirs can meet no grant.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["charge", "refund", "grant", "welcome", "login", "conversion", "achievement"]

# What one grant may add: a slip of the finger makes no user rich.
MOST_GRANTED: Final = 1_000_000
# What users earn: CONTRACT.md, section 9.
WELCOME_ID: Final = "welcome.1"
WELCOME_TOKENS: Final = 50
LOGIN_TOKENS: Final = 2
# A day.
MOST_CONVERSIONS: Final = 5
_OF_BULK_JOB: Final = re.compile(r"charge\.[0-9]+|refund\.[0-9]+\.[0-9]+")
_GRANT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change of a wallet, in tokens: less than 0 for a charge."""

    entry_id: str
    kind: Kind
    amount: int
    # None for what a user is given, and for a bulk job's entry, which has the id of that.
    job_id: str | None = None
    bulk_id: str | None = None
    # What tells the request that made it from another one; None where the id says enough.
    request_key: str | None = None

    def fields(self) -> dict[str, Any]:
        """The document's fields, but for its time."""
        job = {"jobId": self.job_id} if self.job_id else {}
        bulk = {"bulkId": self.bulk_id} if self.bulk_id else {}
        request = {"requestKey": self.request_key} if self.request_key else {}
        return {"amount": self.amount, "kind": self.kind, **job, **bulk, **request}

    @property
    def is_earned(self) -> bool:
        """Whether it adds to what the user has ever had; a charge and its refund are spending, and its return."""
        return self.kind not in {"charge", "refund"}


def charge(job_id: str, tokens: int) -> Entry:
    """The entry that pays a job."""
    return Entry(entry_id=charge_id(job_id), kind="charge", amount=-tokens, job_id=job_id)


def refund(job_id: str, tokens: int) -> Entry:
    """The entry that gives a job's tokens back."""
    return Entry(entry_id=refund_id(job_id), kind="refund", amount=tokens, job_id=job_id)


def grant(entry_id: str, tokens: int) -> Entry:
    """The entry that gives a user tokens."""
    return Entry(entry_id=entry_id, kind="grant", amount=tokens)


def welcome() -> Entry:
    """The entry that a user gets once."""
    return Entry(entry_id=WELCOME_ID, kind="welcome", amount=WELCOME_TOKENS)


def login(day: str) -> Entry:
    """The entry of a day's first login."""
    return Entry(entry_id=f"login.{day}", kind="login", amount=LOGIN_TOKENS)


def conversion(entry_id: str, tokens: int, request_key: str) -> Entry:
    """The entry that points were turned into."""
    return Entry(entry_id=entry_id, kind="conversion", amount=tokens, request_key=request_key)


def conversion_ids(day: str) -> list[str]:
    """The ids of all conversions that a day may see, in their order."""
    return [f"convert.{day}.{number}" for number in range(1, MOST_CONVERSIONS + 1)]


def achievement(achievement_id: str, tokens: int) -> Entry:
    """The entry of an achievement."""
    return Entry(entry_id=f"achievement.{achievement_id}", kind="achievement", amount=tokens)


def bulk_charge(bulk_id: str, round_: int, tokens: int) -> Entry:
    """The entry that pays a bulk job: its items, or those that are run again."""
    return Entry(entry_id=bulk_charge_id(bulk_id, round_), kind="charge", amount=-tokens, bulk_id=bulk_id)


def bulk_refund(bulk_id: str, part: int, round_: int, tokens: int) -> Entry:
    """The entry that gives back what a round of a bulk job's part did not answer."""
    return Entry(entry_id=bulk_refund_id(bulk_id, part, round_), kind="refund", amount=tokens, bulk_id=bulk_id)


def bulk_charge_id(bulk_id: str, round_: int) -> str:
    """The id of the entry that pays a bulk job for the first, second, ... time."""
    return f"bulk.{bulk_id}.charge.{round_}"


def bulk_refund_id(bulk_id: str, part: int, round_: int) -> str:
    """The id of the entry that a round of a bulk job's part gives back."""
    return f"bulk.{bulk_id}.refund.{part}.{round_}"


def is_of_bulk_job(entry_id: str, bulk_id: str) -> bool:
    """Whether an entry's id is that of a bulk job's charge or refund."""
    rest = entry_id.removeprefix(f"bulk.{bulk_id}.")
    return rest != entry_id and bool(_OF_BULK_JOB.fullmatch(rest))


def charge_id(job_id: str) -> str:
    """The id of the entry that pays a job."""
    return f"{job_id}.charge"


def refund_id(job_id: str) -> str:
    """The id of the entry that gives a job's tokens back."""
    return f"{job_id}.refund"


def names_a_grant(entry_id: str) -> bool:
    """Whether a ledger entry of this id is a grant's, and no job's whatever the job's id."""
    return bool(_GRANT_ID.fullmatch(entry_id)) and not entry_id.startswith("__")
