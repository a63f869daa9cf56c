"""What one batch may hold, and how much of it is filled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from nightshift.batches.correction import NO_CORRECTION, Correction
from nightshift.pricing.prices import batch_cost_usd
from nightshift.values.lane import Lane
from nightshift.values.usage import Usage


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What some requests are expected to take, before they are answered."""

    # Input tokens.
    tokens: int
    usd: float
    # By which the two were corrected.
    correction: Correction = NO_CORRECTION
    # By the jobs' ids, what each counts for its user's share of the budget; empty where shares have no limit.
    of_jobs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """What one batch may hold."""

    requests: int
    bytes: int
    # Estimated input tokens that the lane may still put in flight; None = no limit.
    tokens: int | None
    # A first request may pass the token limit where nothing is in flight, or it could never be sent.
    lane_is_idle: bool
    # What the day's budget has left; infinite without one.
    usd: float


@dataclass(frozen=True, kw_only=True)
class BatchFill:
    """How much of its limits a batch has filled."""

    limits: BatchLimits
    requests: int = 0
    bytes: int = 0
    tokens: int = 0
    usd: float = 0.0

    @property
    def requests_left(self) -> int:
        """How many more requests may come in."""
        return self.limits.requests - self.requests

    def affords(self, line_usd: float) -> bool:
        """Whether the budget reaches for one more line."""
        return self.usd + line_usd <= self.limits.usd

    def with_line(self, line_bytes: int, line_tokens: int, line_usd: float) -> "BatchFill | None":
        """How full it is after one more line, or None if it does not fit."""
        filled = BatchFill(
            limits=self.limits,
            requests=self.requests + 1,
            bytes=self.bytes + line_bytes,
            tokens=self.tokens + line_tokens,
            usd=self.usd + line_usd,
        )
        limits = self.limits
        within_tokens = (
            limits.tokens is None or filled.tokens <= limits.tokens or (limits.lane_is_idle and self.requests == 0)
        )
        fits = filled.requests <= limits.requests and filled.bytes <= limits.bytes and within_tokens
        return filled if fits and self.affords(line_usd) else None


def line_usd(lane: Lane, expected: Usage, correction: Correction = NO_CORRECTION, most_usd: float = inf) -> float:
    """What a request is expected to take of the day's budget, in US dollars.

    Without a listed price that is nothing: no budget can hold for it. It is `most_usd` at most, so that a day's first
    request is sent, however much the correction makes of it.
    """
    listed_usd = batch_cost_usd(lane.provider, lane.model, expected) or 0.0
    return min(listed_usd * correction.usd, most_usd)
