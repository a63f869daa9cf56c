"""Wallets and their ledgers.

The balance is the sum of the entries. An entry's id is derived from the job that caused it, and entries are created,
never set: the same charge, or the same refund, cannot be written twice.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

# Far below what a document's integer can hold, so a sum never overflows.
_MOST_TOKENS: Final = 2**53
# What one grant may add: a slip of the finger makes nobody rich.
MOST_GRANTED: Final = 1_000_000
# A job's entries have a full stop in their ids, and a grant's has none.
_GRANT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, kw_only=True)
class Wallet:
    """A user's tokens: `balance` = sum of the ledger = `total_earned` - `total_spent`, never negative."""

    balance: int
    total_earned: int
    total_spent: int

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> "Wallet":
        """The wallet in a document's fields; a user without one has no tokens."""
        fields = fields or {}
        balance, spent = tokens_of(fields.get("balance")), tokens_of(fields.get("totalSpent"))
        earned = tokens_of(fields["totalEarned"]) if "totalEarned" in fields else balance + spent
        return cls(balance=balance, total_spent=spent, total_earned=earned)

    def covers(self, tokens: int) -> bool:
        """Whether the tokens can be charged."""
        return self.balance >= tokens

    def charged(self, tokens: int) -> "Wallet":
        """The wallet after a charge."""
        return Wallet(
            balance=self.balance - tokens,
            total_spent=self.total_spent + tokens,
            total_earned=self.total_earned,
        )

    def granted(self, tokens: int) -> "Wallet":
        """The wallet after a grant."""
        return Wallet(
            balance=self.balance + tokens,
            total_spent=self.total_spent,
            total_earned=self.total_earned + tokens,
        )

    def refunded(self, tokens: int) -> "Wallet":
        """The wallet after a refund: what is given back was never spent."""
        return self.charged(-tokens)

    def fields(self) -> dict[str, Any]:
        """The document's fields."""
        return {"balance": self.balance, "totalEarned": self.total_earned, "totalSpent": self.total_spent}


def tokens_of(number: Any) -> int:
    """A number of tokens as somebody wrote it; what is none counts as 0, so it stops nobody else's jobs."""
    is_number = isinstance(number, int | float) and isfinite(number) and abs(number) < _MOST_TOKENS
    return int(number) if is_number else 0


def charge_id(job_id: str) -> str:
    """The id of the ledger entry by which a job was paid."""
    return f"{job_id}.charge"


def refund_id(job_id: str) -> str:
    """The id of the ledger entry by which a job's tokens came back."""
    return f"{job_id}.refund"


def names_a_grant(entry_id: str) -> bool:
    """Whether a ledger entry of this id is a grant's, and no job's whatever the job's id."""
    return bool(_GRANT_ID.fullmatch(entry_id)) and not entry_id.startswith("__")
