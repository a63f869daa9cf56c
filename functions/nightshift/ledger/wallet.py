"""Wallets and their ledgers.

The balance is the sum of the entries. An entry's id is derived from the job that caused it, and entries are created,
never set: the same charge, or the same refund, cannot be written twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.values.tokens import tokens_of


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
