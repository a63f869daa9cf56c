"""What one audit shares between its checks."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from nightshift.runtime import Runtime

# What the next tick would deal with is no finding yet: two ticks, ten minutes each.
GRACE: Final = timedelta(minutes=20)


@dataclass(kw_only=True)
class Scope:
    """One audit: how patient it is, and what it has seen so far."""

    runtime: Runtime
    grace: timedelta = GRACE
    # How many of each kind were looked at.
    looked_at: Counter[str] = field(default_factory=Counter)
    # Checks that were left out on purpose, and why.
    skipped: dict[str, str] = field(default_factory=dict)
    # Checks that broke off, and why.
    troubles: dict[str, str] = field(default_factory=dict)
    # The batch ids under which the provider has a batch that has not ended; None = it was not asked.
    live_at_provider: set[str] | None = None

    def uncounted(self) -> "Scope":
        """The same audit; what is looked at through it is not counted."""
        return replace(self, looked_at=Counter())

    def waited_since(self, seconds: float) -> datetime:
        """The moment before which something that is dealt with after `seconds` should have been dealt with."""
        return self.runtime.now() - timedelta(seconds=seconds) - self.grace
