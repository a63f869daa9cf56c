"""How a batch ends at its provider, and how an operator can stop it before."""

from typing import Final, Literal

Outcome = Literal["completed", "failed", "expired", "cancelled"]
# A wish for an open batch: it is stopped, and its jobs without an answer are cancelled, sent again, or moved to the
# fallback lane.
Stop = Literal["cancel", "retry", "move"]
STOPS: Final[tuple[Stop, ...]] = ("cancel", "retry", "move")
