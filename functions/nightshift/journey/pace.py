"""How many answers an instance asks the provider for at once, of one model.

Every call for an answer in real time goes through the pace of its lane, which is told what came of it:

    async with pace_of(runtime, lane).slot() as slot:
        try:
            answer = await provider.answer(...)
        except ProviderRateLimited as limited:
            slot.limited(limited.retry_after_seconds, limited.limits)
            raise
        slot.answered(answer.limits)

Any other trouble says nothing of the pace.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from nightshift.model.lane import Lane
from nightshift.providers.base import RateLimits
from nightshift.runtime import Runtime

_AT_ONCE: Final = 64


class Slot:
    """The right to make one call."""

    def answered(self, limits: RateLimits) -> None:
        """The provider answered, and said this of its limits."""

    def limited(self, retry_after_seconds: float | None, limits: RateLimits) -> None:
        """The provider was asked too often; perhaps it said when to come again."""


class Pace:
    """The pace of one instance in one lane: so many calls at once, whatever the provider says."""

    def __init__(self) -> None:
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Wait for the right to make a call, in the order of asking."""
        async with self._at_once:
            yield Slot()


def pace_of(runtime: Runtime, lane: Lane) -> Pace:
    """The pace that this instance keeps in a lane."""
    return runtime.kept(_paces).setdefault(lane, Pace())


def _paces(_: Runtime) -> dict[Lane, Pace]:
    return {}
