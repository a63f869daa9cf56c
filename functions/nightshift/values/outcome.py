"""How a batch ends at its provider, and how an operator can stop it before."""

from typing import Final, Literal

Outcome = Literal["completed", "failed", "expired", "cancelled"]
# An operator's wish for an open batch: it is stopped, and its jobs without an answer are cancelled, or sent again.
Stop = Literal["cancel", "retry"]
STOPS: Final[tuple[Stop, ...]] = ("cancel", "retry")
