"""How many calls one instance may have under way at one model, learned from what becomes of them.

A provider tells nobody how much it can take: it answers, or refuses (429), and some say in headers what they still
allow. From that, three rules, each of which may hold a call back:

- **A limit** of calls in flight. It begins modestly and doubles each round (a limit's worth of answers), as long as
  somebody had to wait for it. A refusal halves it, once a round: the calls that were under way when it was halved were
  sent under the old limit, so neither their refusals shrink it further nor their answers let it grow. It then doubles
  up to just below where it was refused, creeps past that point, and speeds up again beyond: what was refused a while
  ago may be allowed now, and if it is not, it costs a single refusal in some twenty rounds. A failure (5xx, time-out)
  takes half of what an answer gives: a few among many answers cost nothing that lasts, nothing but failures halves the
  limit each round, so a provider that falls over is left alone, and it is trusted again as soon as it answers.
- **A gate.** `Retry-After`, or an allowance of nothing until a reset, closes it for everybody.
- **A pace**: calls start some time apart. What is still allowed is spread over the time to its reset, the sooner the
  more, and so runs dry only as it is renewed; on a bucket that is refilled all the time, this settles at a third of the
  bucket and exactly its rate. And once anything was held back, a limit's worth of calls is spread over the time
  that a call takes: who waited behind a gate does not rush through it, and a limit may be a fraction. A provider of
  one call a second that answers in a twentieth of one needs a limit of 0.05: one call in flight, and nineteen parts of
  twenty waited.

An allowance that an answer reports is as old as its call, so one whose reset has passed in the meantime says nothing.
Less than is counted down here is believed at once, more only once a round.

The state knows no clock and wakes nobody. Times are seconds of any steady clock.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

_FIRST: Final = 16
# A connection each; more than that are not worth their memory in one instance.
_MOST: Final = 1_000
# Up to here of what was refused, growth is fast.
_SAFE_SHARE: Final = 0.95
# The growth of a round beyond that; it takes some twenty rounds to where it was refused.
_CREEP: Final = 1 / 400
# Below, a round is still so many answers, or a small limit would be refused too often.
_LEAST_ROUND: Final = 4
# How much faster than evenly a limit's worth of calls is spread: else jitter alone would keep it from being used.
_PACE_GAIN: Final = 1.25
# How much faster than evenly an allowance is used: the first in a burst should not wait for the last.
_ALLOWANCE_GAIN: Final = 2.0
# Calls that are late may catch up so far: a timer is never exact.
_SLACK_SECONDS: Final = 0.05
# A provider that refuses everything is asked about as often.
_SLOWEST_SECONDS: Final = 15.0
# Whatever a provider says, it is asked again after so long.
_LONGEST_CLOSED_SECONDS: Final = 900.0
_SMOOTHING: Final = 1 / 16
_LATENCY_UNTIL_KNOWN_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What the provider still allows before its next reset, in requests or in tokens."""

    remaining: float
    # From the moment in which the answer came.
    reset_seconds: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of a call."""

    # `broken`: the provider failed or said nothing; `unknown`: the call was given up on our side.
    verdict: Literal["answered", "busy", "broken", "unknown"]
    retry_after_seconds: float | None = None
    requests: Allowance | None = None
    tokens: Allowance | None = None
    # What the call took of `tokens`; 0 if nobody knows.
    tokens_used: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was started: the how manieth, and when."""

    number: int
    started_at: float


class _Countdown:
    """An allowance as it is used up here, between two reports of it. In calls."""

    def __init__(self) -> None:
        self._remaining = 0.0
        self._resets_at = -math.inf
        # Reports of calls up to this one, if they say more, are older than what is known.
        self._known_by = 0

    def start(self) -> None:
        """Count one call."""
        self._remaining -= 1

    def read(self, call: Call, calls: float, reset_seconds: float, now: float, last_number: int) -> None:
        """Take over what this call's answer says, if it is news."""
        if now - call.started_at >= reset_seconds:
            return
        is_more = now < self._resets_at and calls > self._remaining
        if is_more and call.number <= self._known_by:
            return
        self._remaining, self._resets_at, self._known_by = calls, now + reset_seconds, last_number

    def spacing(self, now: float, latency_seconds: float) -> float:
        """The seconds from one call to the next.

        What is known is as old as a call; spread over that time too, it does not make the pace swing.
        """
        left = self._resets_at - now
        if left <= 0:
            return 0.0
        if self._remaining <= 0:
            return left
        return min(left, (left + latency_seconds) / (_ALLOWANCE_GAIN * self._remaining))

    def opens_at(self, now: float) -> float:
        """When a call may start: where nothing remains, not before the reset."""
        return self._resets_at if self._remaining <= 0 else now


class Concurrency:
    """The state of one model at one instance."""

    def __init__(self, *, first: int = _FIRST, most: int = _MOST) -> None:
        self._most = most
        self._limit = float(min(first, most))
        self._refused_at = math.inf
        self._in_flight = 0
        self._last_number = 0
        # Calls up to this one were under way, or over, when the limit was halved.
        self._halved_by = 0
        self._answered_since_halved = False
        # When somebody last had to wait for the limit.
        self._short_at = -math.inf
        self._closed_until = -math.inf
        # Whether it was ever held back; until then a call waits for nothing but the limit.
        self._is_paced = False
        # Where the last call would have started, had every timer been exact.
        self._last_due = -math.inf
        self._latency_seconds = _LATENCY_UNTIL_KNOWN_SECONDS
        self._knows_latency = False
        self._tokens_per_call = 0.0
        self._requests, self._tokens = _Countdown(), _Countdown()

    @property
    def limit(self) -> int:
        """How many calls may be in flight; at least one."""
        return max(1, math.ceil(self._limit))

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self._in_flight

    def start(self, now: float) -> Call | None:
        """Begin a call, or None if it has to wait: until `opens_at`, or the end of another."""
        if self._in_flight >= self.limit:
            self._short_at = now
            return None
        if self.opens_at(now) > now:
            if self._is_limit_slowest(now):
                self._short_at = now
            self._is_paced = True
            return None
        self._last_due = max(self._last_due + self._spacing(now), now - _SLACK_SECONDS)
        self._in_flight += 1
        self._last_number += 1
        self._requests.start()
        self._tokens.start()
        return Call(self._last_number, now)

    def opens_at(self, now: float) -> float:
        """When the gate and the pace let the next call through."""
        gate = max(self._closed_until, self._requests.opens_at(now), self._tokens.opens_at(now))
        return max(gate, self._last_due + self._spacing(now))

    def give_back(self, call: Call) -> None:
        """Undo the start of a call that was not made."""
        self._in_flight -= 1

    def end(self, call: Call, now: float, report: Report) -> None:
        """A call is over, and this is what became of it."""
        self._in_flight -= 1
        self._read_allowances(call, now, report)
        if report.retry_after_seconds is not None:
            self._closed_until = max(self._closed_until, now + _bounded(report.retry_after_seconds))
        is_of_this_round = call.number > self._halved_by
        if report.verdict == "busy":
            self._is_paced = True
            if is_of_this_round:
                self._halve()
        elif report.verdict == "broken":
            self._is_paced = True
            self._shrink_to(self._limit - min(1.0, self._limit) / 2)
        elif report.verdict == "answered":
            self._learn_latency(now - call.started_at)
            if is_of_this_round:
                self._answered_since_halved = True
                if self._short_at >= call.started_at:
                    self._grow()

    def _grow(self) -> None:
        safe = self._refused_at * _SAFE_SHARE
        if self._limit < safe:
            grown = min(safe, self._limit + min(1.0, self._limit))
        else:
            per_round = max(0.0, self._limit - self._refused_at) + self._limit * _CREEP
            grown = self._limit + per_round / max(self._limit, _LEAST_ROUND)
        self._limit = min(grown, float(self._most))

    def _halve(self) -> None:
        # Without an answer in between, the provider says no to everything, and not to this limit.
        if self._answered_since_halved:
            self._refused_at = self._limit
        self._shrink_to(self._limit / 2)
        self._halved_by = self._last_number
        self._answered_since_halved = False

    def _shrink_to(self, limit: float) -> None:
        self._limit = max(limit, self._latency_seconds / (_PACE_GAIN * _SLOWEST_SECONDS))

    def _read_allowances(self, call: Call, now: float, report: Report) -> None:
        if report.tokens_used:
            known = self._tokens_per_call or report.tokens_used
            self._tokens_per_call = known + (report.tokens_used - known) * _SMOOTHING
        if report.requests is not None:
            self._read(self._requests, call, now, report.requests, 1.0)
        if report.tokens is not None and (self._tokens_per_call or not report.tokens.remaining):
            self._read(self._tokens, call, now, report.tokens, self._tokens_per_call or 1.0)

    def _read(self, known: _Countdown, call: Call, now: float, told: Allowance, per_call: float) -> None:
        known.read(call, told.remaining / per_call, _bounded(told.reset_seconds), now, self._last_number)

    def _learn_latency(self, seconds: float) -> None:
        known = self._latency_seconds if self._knows_latency else seconds
        self._latency_seconds = known + (seconds - known) * _SMOOTHING
        self._knows_latency = True

    def _limit_spacing(self) -> float:
        if not self._is_paced:
            return 0.0
        return min(_SLOWEST_SECONDS, self._latency_seconds / (_PACE_GAIN * self._limit))

    def _spacing(self, now: float) -> float:
        latency = self._latency_seconds
        return max(self._limit_spacing(), self._requests.spacing(now, latency), self._tokens.spacing(now, latency))

    def _is_limit_slowest(self, now: float) -> bool:
        """Whether it is the limit's own pace that holds the next call back."""
        return self.opens_at(now) == self._last_due + self._limit_spacing()


def _bounded(seconds: float) -> float:
    return min(seconds, _LONGEST_CLOSED_SECONDS)
