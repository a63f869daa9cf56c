"""How many calls one instance may have under way at one model, learned from what becomes of them.

A provider does not say how much it can take. It answers, or refuses (429), and some say in headers what they still
allow. From that, three rules, each of which may hold a call back:

- **A limit** of calls in flight. It begins modestly and doubles each round (a limit's worth of answers), as long as a
  call had to wait for it. A refusal halves it, once a round: the calls that were under way when it was halved were sent
  under the old limit. So neither their refusals shrink it further nor their answers let it grow. It then doubles up to
  just below where it was refused, creeps past that point, and speeds up again beyond: what was refused a while ago may
  be allowed now, and if it is not, it costs a single refusal in some twenty rounds. A failure (5xx, time-out) takes
  half of what an answer gives. A few among many answers cost nothing that lasts. Nothing but failures halves the limit
  each round, so a provider that falls over is left alone. It is trusted again as soon as it answers. A call
  that ran out of time counts as a refusal: it waited at a server that is full. Where answers come slowly, half as many
  calls are tried. The limit stays at that if they then come faster (slowness.py).
- **A gate.** `Retry-After`, or a quota of nothing until a reset, closes it for all calls.
- **A pace**: calls start some time apart. What is still allowed is spread over the time to its reset, the sooner the
  more. So it runs dry only as it is renewed. And once anything was held back, a limit's worth of calls is spread over
  the time that a call takes. Calls that waited behind a gate do not rush through it, and a limit may be a fraction. A
  provider of one call a second that answers in a twentieth of one needs a limit of 0.05: one call in flight, and
  nineteen parts of twenty waited.

A quota that an answer reports is as old as its call. Most providers fill a bucket all the time, and their reset is the
time until it is full: two reports tell how fast. Then the calls that were started since are taken off, and what came
back in the meantime is added. So the first answers of a burst bound it before anything is refused. The pace settles at
exactly the refill, with a ninth of the bucket left; several instances share one without knowing of each other, and the
more they are, the less is left. Where all is renewed at once, or reports contradict each other, a report whose reset
has passed in the meantime says nothing. Less than is counted down here is believed at once, more only once a round.

The state knows no clock and wakes no task. Times are seconds of any steady clock.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

from nightshift.instant.slowness import Slowness

_FIRST: Final = 16
# Below it, a limit that nothing has held back yet grows four times a round, if answers come quickly.
_MODEST: Final = 16
_FAST_START: Final = 3.0
# Slower answers, on average, are looked into.
_SLOW_SECONDS: Final = 15.0
# A connection each, and each request looks at all of them (httpcore). An instance is given eighty jobs at a time.
_MOST: Final = 256
# Up to here of what was refused, growth is fast.
_SAFE_SHARE: Final = 0.95
# The growth of a round beyond that; it takes some twenty rounds to where it was refused.
_CREEP: Final = 1 / 400
# Below, a round is still so many answers, or a small limit would be refused too often.
_LEAST_ROUND: Final = 4
# How much faster than evenly a limit's worth of calls is spread: else jitter alone would keep it from being used.
_PACE_GAIN: Final = 1.25
# How much faster than evenly a quota is used: the first in a burst should not wait for the last.
_QUOTA_GAIN: Final = 2.0
# The same for a bucket that is refilled all the time: one instance leaves a ninth of it, ten leave an eightieth.
_REFILL_GAIN: Final = 8.0
# Remains are told in whole numbers, and times in milliseconds: reports that differ by less say too little of a refill.
_LEAST_DIFFERENCE: Final = 8
_LEAST_DIFFERENCE_SECONDS: Final = 0.01
# Calls that are late may catch up so far: a timer is never exact.
_SLACK_SECONDS: Final = 0.05
# A provider that refuses everything is asked about as often.
_SLOWEST_SECONDS: Final = 15.0
# Whatever a provider says, it is asked again after so long.
_LONGEST_CLOSED_SECONDS: Final = 900.0
_SMOOTHING: Final = 1 / 16
_LATENCY_UNTIL_KNOWN_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class ProviderQuota:
    """What the provider still allows before its next reset, in requests or in tokens."""

    remaining: float
    # From the moment in which the answer came.
    reset_seconds: float


@dataclass(frozen=True, kw_only=True)
class CallReport:
    """What became of a call."""

    # `late`: the time was up; `broken`: the provider failed or said nothing; `unknown`: it was given up on our side.
    verdict: Literal["answered", "busy", "late", "broken", "unknown"]
    retry_after_seconds: float | None = None
    requests: ProviderQuota | None = None
    tokens: ProviderQuota | None = None
    # What the call took of `tokens`; 0 if it is not known.
    tokens_used: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was started: the how manieth, when, and how many were under way then, itself included."""

    number: int
    started_at: float
    under_way: int = 1


class _Countdown:
    """A quota as it is used up here, and refilled there, between two reports of it; in requests or tokens."""

    def __init__(self, per_call: float) -> None:
        # 0: not known yet.
        self.per_call = per_call
        self._left = 0.0
        self._counted_at = -math.inf
        self._full = 0.0
        self._resets_at = -math.inf
        # What comes back each second; 0 if that is not known, or all comes back at once.
        self._per_second = 0.0
        self._fullest: ProviderQuota | None = None
        # Reports of calls up to this one, if they say more, are older than what is known.
        self._known_by = 0

    def start(self, now: float) -> None:
        """Count one call."""
        self._left, self._counted_at = self._left_at(now) - self.per_call, now

    def read(self, call: Call, told: ProviderQuota, now: float, last_number: int) -> None:
        """Take over what this call's answer says, if it is news."""
        known, was_refilled = self._left_at(now), self._per_second > 0
        self._learn_refill(told)
        age, since = now - call.started_at, last_number - call.number
        if self._per_second:
            full = told.remaining + self._per_second * told.reset_seconds
            left = min(full, max(0.0, told.remaining - since * self.per_call + age * self._per_second))
        elif age < told.reset_seconds or was_refilled:
            full = left = told.remaining
        else:
            return
        is_more = now < self._resets_at and left > known
        is_comparable = was_refilled == (self._per_second > 0)
        if is_more and is_comparable and call.number <= self._known_by:
            return
        self._left, self._full, self._counted_at, self._known_by = left, full, now, last_number
        self._resets_at = now + ((full - left) / self._per_second if self._per_second else told.reset_seconds)

    def forget_refill(self) -> None:
        """What was learned was wrong, or is so now."""
        self._fullest = None

    @property
    def closed_until(self) -> float:
        """The reset, where nothing remains and all is renewed at once."""
        return -math.inf if self._per_second or self._left > 0 else self._resets_at

    def opens_at(self, last_due: float, now: float) -> float:
        """When the next call may start, if none does before."""
        if not self._per_second:
            return max(self.closed_until, last_due + self._spacing_to_reset(now))
        # The spacing shrinks while one waits: where the time since the last call and the spacing meet. In calls.
        refill = self._per_second / self.per_call
        left, full = self._left_at(now) / self.per_call, self._full / self.per_call
        if left >= min(1.0, full) and now - last_due >= self.spacing(now):
            return now
        since = refill * max(0.0, now - last_due)
        half = (left + since + 1 / _REFILL_GAIN) / 2
        rest = left * since - (full - left) / _REFILL_GAIN
        meeting = math.sqrt(max(0.0, half * half - rest)) - half
        # A bucket may be too small for a call as they usually are.
        return now + _bounded(max(meeting, min(1.0, full) - left, 0.0) / refill)

    def spacing(self, now: float) -> float:
        """The seconds from one call to the next."""
        if not self._per_second:
            return self._spacing_to_reset(now)
        left = max(self._left_at(now), self.per_call)
        return max(0.0, self._full - left) / self._per_second * self.per_call / (_REFILL_GAIN * left)

    def _spacing_to_reset(self, now: float) -> float:
        left_seconds = self._resets_at - now
        if left_seconds <= 0:
            return 0.0
        if self._left <= 0:
            return left_seconds
        return min(left_seconds, left_seconds * self.per_call / (_QUOTA_GAIN * self._left))

    def _left_at(self, now: float) -> float:
        if not self._per_second:
            return self._left
        return min(self._full, self._left + (now - self._counted_at) * self._per_second)

    def _learn_refill(self, told: ProviderQuota) -> None:
        """Of a bucket that is refilled all the time, it takes the longer to be full the less is in it."""
        if self._fullest is None or told.remaining > self._fullest.remaining:
            self._fullest = told
            return
        less, longer = self._fullest.remaining - told.remaining, told.reset_seconds - self._fullest.reset_seconds
        if less < _LEAST_DIFFERENCE or abs(longer) < _LEAST_DIFFERENCE_SECONDS:
            return
        # One that took longer to be filled than anything is waited for is not counted on.
        is_believed = longer > 0 and told.reset_seconds + told.remaining * longer / less <= _LONGEST_CLOSED_SECONDS
        self._per_second = less / longer if is_believed else 0.0


class Concurrency:
    """The state of one model at one instance."""

    def __init__(self, *, first: int = _FIRST, most: int = _MOST, slow_seconds: float = _SLOW_SECONDS) -> None:
        """Args: `first` calls at once to begin with, `most` ever; answers above `slow_seconds` are looked into."""
        self._most = most
        self._limit = float(min(first, most))
        self._refused_at = math.inf
        self._in_flight = 0
        self._last_number = 0
        # Calls up to this one were under way, or over, when the limit was halved.
        self._halved_by = 0
        self._answered_since_halved = False
        # When a call last had to wait for the limit.
        self._short_at = -math.inf
        self._closed_until = -math.inf
        # Whether it was ever held back; until then a call waits for nothing but the limit.
        self._is_paced = False
        # Where the last call would have started, had every timer been exact.
        self._last_due = -math.inf
        self._latency_seconds = _LATENCY_UNTIL_KNOWN_SECONDS
        self._knows_latency = False
        self._requests, self._tokens = _Countdown(1.0), _Countdown(0.0)
        self._slowness = Slowness(slow_seconds)

    @property
    def latency_seconds(self) -> float | None:
        """How long answers take of late; None before the first."""
        return self._latency_seconds if self._knows_latency else None

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
        self._requests.start(now)
        self._tokens.start(now)
        return Call(self._last_number, now, self._in_flight)

    def opens_at(self, now: float) -> float:
        """When the gate and the pace let the next call through."""
        due = self._last_due
        allowed = max(self._requests.opens_at(due, now), self._tokens.opens_at(due, now))
        return max(self._closed_until, allowed, due + self._limit_spacing())

    def closed_seconds(self, now: float) -> float:
        """For how long the gate is closed for all calls; 0 if it is open, whatever the pace."""
        return max(0.0, max(self._closed_until, self._requests.closed_until, self._tokens.closed_until) - now)

    def give_back(self, call: Call) -> None:
        """Undo the start of a call that was not made."""
        self._in_flight -= 1

    def end(self, call: Call, now: float, report: CallReport) -> None:
        """A call is over, and this is what became of it."""
        self._in_flight -= 1
        self._read_quotas(call, now, report)
        if report.retry_after_seconds is not None:
            self._closed_until = max(self._closed_until, now + _bounded(report.retry_after_seconds))
        is_of_this_round = call.number > self._halved_by
        if report.verdict == "busy":
            self._is_paced = True
            self._requests.forget_refill()
            self._tokens.forget_refill()
            if is_of_this_round:
                self._halve()
        elif report.verdict == "late":
            self._learn_latency(now - call.started_at)
            if is_of_this_round:
                self._answered_since_halved = True
                self._halve()
        elif report.verdict == "broken":
            self._is_paced = True
            self._shrink_to(self._limit - min(1.0, self._limit) / 2)
        elif report.verdict == "answered":
            self._learn_latency(now - call.started_at)
            if is_of_this_round:
                self._answered_since_halved = True
                self._heed_latency(now - call.started_at, call.under_way)
                if self._short_at >= call.started_at:
                    self._grow(self._slowness.growth(now - call.started_at))

    def _heed_latency(self, seconds: float, under_way: int) -> None:
        limit = self._slowness.note(seconds, under_way, self._limit)
        if limit < self._limit:
            self._shrink_to(limit)
            # What was started before says nothing of the new limit; and it stays at that, if that helps.
            self._halved_by = self._last_number
            self._refused_at = self._limit
        elif limit > self._limit:
            self._limit, self._refused_at = limit, math.inf

    def _grow(self, share: float) -> None:
        safe = self._refused_at * _SAFE_SHARE
        if self._limit < safe:
            is_start = self._limit < _MODEST and share == 1.0 and math.isinf(self._refused_at) and not self._is_paced
            grown = min(safe, self._limit + share * min(1.0, self._limit) * (_FAST_START if is_start else 1.0))
        else:
            per_round = max(0.0, self._limit - self._refused_at) + self._limit * _CREEP
            grown = self._limit + share * per_round / max(self._limit, _LEAST_ROUND)
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

    def _read_quotas(self, call: Call, now: float, report: CallReport) -> None:
        if report.tokens_used:
            known = self._tokens.per_call or report.tokens_used
            self._tokens.per_call = known + (report.tokens_used - known) * _SMOOTHING
        for countdown, told in ((self._requests, report.requests), (self._tokens, report.tokens)):
            if told is not None and (countdown.per_call or not told.remaining):
                bounded = ProviderQuota(remaining=told.remaining, reset_seconds=_bounded(told.reset_seconds))
                countdown.read(call, bounded, now, self._last_number)

    def _learn_latency(self, seconds: float) -> None:
        known = self._latency_seconds if self._knows_latency else seconds
        self._latency_seconds = known + (seconds - known) * _SMOOTHING
        self._knows_latency = True

    def _limit_spacing(self) -> float:
        if not self._is_paced:
            return 0.0
        return min(_SLOWEST_SECONDS, self._latency_seconds / (_PACE_GAIN * self._limit))

    def _spacing(self, now: float) -> float:
        return max(self._limit_spacing(), self._requests.spacing(now), self._tokens.spacing(now))

    def _is_limit_slowest(self, now: float) -> bool:
        """Whether it is the limit's own pace that holds the next call back."""
        return self.opens_at(now) == self._last_due + self._limit_spacing()


def _bounded(seconds: float) -> float:
    return min(seconds, _LONGEST_CLOSED_SECONDS)
