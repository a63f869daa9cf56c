"""How many answers an instance asks the provider for at once, of one model, and how fast one after the other.

Every call for an answer in real time goes through the pace of its lane, which learns what came of it:

    async with pace_of(runtime, lane).slot() as slot:
        try:
            answer = await provider.answer(...)
        except ProviderRateLimited as limited:
            slot.limited(limited.retry_after_seconds, limited.limits)
            raise
        except ProviderLate as late:
            slot.late(late.retry_after_seconds)
            raise
        except ProviderTrouble as trouble:
            slot.failed(trouble.retry_after_seconds)
            raise
        slot.answered(answer.limits, tokens)

From a call that does not report, it learns nothing. What is learned, and when the next call may start, is
decided in `instant/concurrency.py`; here are the waiting and its one timer. Callers are let in in the
order of asking. A cancelled one leaves the queue, and a turn that came too late for it goes to the next. Behind a gate
that stays closed for long no caller waits: each gets `GateClosed`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from nightshift.errors import NightshiftError
from nightshift.instant.concurrency import Call, CallReport, Concurrency, ProviderQuota
from nightshift.providers.base import RateLimits
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane

# More than this is as good as no limit, and a number of any length may stand in a header.
_ENOUGH: Final = 10**9
# A gate that stays closed for longer puts off those who wait: it is not worth an instance.
_LONGEST_CLOSED_SECONDS: Final = 10.0
# Of the time that a call may take: answers that take longer on average are looked into (slowness.py).
_SLOW_SHARE: Final = 0.25
_TIMES_USUAL: Final = 4.0
# No function runs much longer than that.
_LONGEST_ANSWER_SECONDS: Final = 300.0
_NOTHING_KNOWN: Final = CallReport(verdict="unknown")


class GateClosed(NightshiftError):
    """The provider is not to be asked for so many seconds, which are too many to wait for."""

    def __init__(self, seconds: float) -> None:
        super().__init__("the provider wants to be left alone")
        self.seconds = seconds


class Slot:
    """The right to make one call."""

    def __init__(self) -> None:
        self.report = _NOTHING_KNOWN

    def answered(self, limits: RateLimits, tokens: int) -> None:
        """The provider answered, said this of its limits, and took so many tokens."""
        self.report = CallReport(
            verdict="answered", requests=_requests(limits), tokens=_tokens(limits), tokens_used=tokens
        )

    def limited(self, retry_after_seconds: float | None, limits: RateLimits) -> None:
        """The provider was asked too often; perhaps it said when to come again."""
        self.report = CallReport(
            verdict="busy",
            retry_after_seconds=retry_after_seconds,
            requests=_requests(limits),
            tokens=_tokens(limits),
        )

    def late(self, retry_after_seconds: float | None) -> None:
        """The time was up before the provider answered: it has more calls than it can take."""
        self.report = CallReport(verdict="late", retry_after_seconds=retry_after_seconds)

    def failed(self, retry_after_seconds: float | None) -> None:
        """The provider has troubles of its own, or said nothing at all."""
        self.report = CallReport(verdict="broken", retry_after_seconds=retry_after_seconds)


class Pace:
    """The pace of one instance in one lane."""

    def __init__(self, state: Concurrency | None = None) -> None:
        self.state = state or Concurrency()
        # An ordered set, from which both the first and a cancelled one are taken at once.
        self._waiting: OrderedDict[asyncio.Future[Call], None] = OrderedDict()
        self._alarm: asyncio.Handle | None = None
        # Beside the handle, since uvloop's knows no time if the time has come within a millisecond.
        self._rings_at = 0.0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Wait for the right to make a call, in the order of asking. Raises GateClosed."""
        loop = asyncio.get_running_loop()
        if (closed_seconds := self.state.closed_seconds(loop.time())) > _LONGEST_CLOSED_SECONDS:
            raise GateClosed(closed_seconds)
        call = None if self._waiting else self.state.start(loop.time())
        if call is None:
            call = await self._turn(loop)
        slot = Slot()
        try:
            yield slot
        finally:
            self.state.end(call, loop.time(), slot.report)
            self._let_in(loop)

    async def _turn(self, loop: asyncio.AbstractEventLoop) -> Call:
        turn: asyncio.Future[Call] = loop.create_future()
        self._waiting[turn] = None
        if len(self._waiting) == 1:
            # No other call has set the alarm.
            self._let_in(loop)
        try:
            return await turn
        except asyncio.CancelledError:
            self._waiting.pop(turn, None)
            if not turn.cancelled() and turn.exception() is None:
                self.state.give_back(turn.result())
            self._let_in(loop)
            raise

    def _let_in(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        closed_seconds = self.state.closed_seconds(now)
        while self._waiting:
            turn = next(iter(self._waiting))
            if turn.cancelled():
                # Its waiter has not noticed yet.
                pass
            elif closed_seconds > _LONGEST_CLOSED_SECONDS:
                turn.set_exception(GateClosed(closed_seconds))
            elif call := self.state.start(now):
                turn.set_result(call)
            else:
                break
            del self._waiting[turn]
        self._set_alarm(loop, now)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """Wake the first waiter when the gate opens or its pace has come; the end of a call does the rest."""
        is_full = self.state.in_flight >= self.state.limit
        opens_at = self.state.opens_at(now) if self._waiting and not is_full else None
        if self._alarm and (opens_at is None or opens_at < self._rings_at):
            self._alarm.cancel()
            self._alarm = None
        # One that comes too early sets the next: it need not be moved with every call.
        if opens_at is not None and self._alarm is None:
            self._alarm, self._rings_at = loop.call_at(opens_at, self._ring, loop), opens_at

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        self._let_in(loop)


def pace_of(runtime: Runtime, lane: Lane) -> Pace:
    """The pace that this instance keeps in a lane."""
    paces = runtime.instance.paces
    if lane not in paces:
        settings = runtime.settings
        state = Concurrency(first=settings.first_calls, slow_seconds=settings.answer_seconds * _SLOW_SHARE)
        paces[lane] = Pace(state)
    return paces[lane]


def patience_seconds(runtime: Runtime, lane: Lane) -> float:
    """How long a call in this lane may take: a few times what its answers take, and at least what the setting says."""
    usual_seconds = pace_of(runtime, lane).state.latency_seconds or 0.0
    return max(runtime.settings.answer_seconds, min(_LONGEST_ANSWER_SECONDS, _TIMES_USUAL * usual_seconds))


def _requests(limits: RateLimits) -> ProviderQuota | None:
    return _quota(limits.remaining_requests, limits.requests_reset_seconds)


def _tokens(limits: RateLimits) -> ProviderQuota | None:
    return _quota(limits.remaining_tokens, limits.tokens_reset_seconds)


def _quota(remaining: int | None, reset_seconds: float | None) -> ProviderQuota | None:
    if remaining is None or reset_seconds is None:
        return None
    return ProviderQuota(remaining=min(remaining, _ENOUGH), reset_seconds=reset_seconds)
