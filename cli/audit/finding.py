"""A finding: one invariant that does not hold, where, and what can be done about it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from nightshift.errors import NightshiftError
from nightshift.log import where_raised

Check = Literal["provider", "jobs", "batches", "bulk", "wallets", "economy", "history"]


class LeftAlone(NightshiftError):
    """A finding that was not mended; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One invariant that does not hold."""

    check: Check
    # A document's path, or what the provider calls it.
    subject: str
    # For a person. It names ids and counts, never what a user wrote or got.
    sentence: str
    # Mends it, in one conditional step that may be repeated, and says what it did. Raises LeftAlone or TryLater.
    mend: Callable[[], Awaitable[str]] | None = None
    # Why there is no `mend`: what a person has to decide.
    undecided: str = ""

    async def mended(self) -> str:
        """Mend it, and say what was done. Raises LeftAlone."""
        if self.mend is None:
            raise LeftAlone(self.undecided)
        try:
            return await self.mend()
        except LeftAlone:
            raise
        except NightshiftError as trouble:
            raise LeftAlone(f"not now: {trouble}") from trouble
        except Exception as bug:
            # One that cannot be mended must not keep the others from it.
            raise LeftAlone(f"unforeseen: {type(bug).__name__} in {where_raised(bug)}") from bug
