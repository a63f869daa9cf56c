"""A user's wallet: its balance is the sum of its ledger's entries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.ledger.entries import Entry
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

    def with_entry(self, entry: Entry) -> "Wallet":
        """The wallet after an entry. A charge is spent, what is refunded was never spent, all else is earned."""
        return Wallet(
            balance=self.balance + entry.amount,
            total_spent=self.total_spent - (0 if entry.is_earned else entry.amount),
            total_earned=self.total_earned + (entry.amount if entry.is_earned else 0),
        )

    def fields(self) -> dict[str, Any]:
        """The document's fields."""
        return {"balance": self.balance, "totalEarned": self.total_earned, "totalSpent": self.total_spent}
