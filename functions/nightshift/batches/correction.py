"""How far estimates of a lane are off, by what its recent batches were really billed.

Each batch keeps what it was estimated to take, and by which correction, and in the end what it was billed. So the
lane's last batches teach the next one, and nothing more is written. One whose requests were not all answered teaches
nothing, since the others were not billed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# Fewer requests than these say too little.
_ENOUGH_REQUESTS: Final = 50
# A correction is a factor between these: whatever a provider counts, no lane is blocked, and none is without bounds.
_LEAST: Final = 0.2
_MOST: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Correction:
    """By which factors estimates are multiplied."""

    # Of input tokens, and of dollars, which hold the output's tokens, too.
    tokens: float = 1.0
    usd: float = 1.0

    def fields(self) -> dict[str, float]:
        """The field `correction` of a batch."""
        return {"tokens": self.tokens, "usd": self.usd}


NO_CORRECTION: Final = Correction()


@dataclass(frozen=True, kw_only=True)
class BilledBatch:
    """A batch whose requests were all answered: what it was estimated to take, and what was billed."""

    requests: int
    estimated_tokens: float
    estimated_usd: float
    correction: Correction
    billed_tokens: int
    billed_usd: float


def learned(batches: Iterable[BilledBatch]) -> Correction:
    """The correction that would have been right for these batches together; none from too few requests."""
    batches = list(batches)
    if sum(batch.requests for batch in batches) < _ENOUGH_REQUESTS:
        return NO_CORRECTION
    return Correction(
        tokens=_factor(
            sum(batch.billed_tokens for batch in batches),
            sum(batch.estimated_tokens / batch.correction.tokens for batch in batches),
        ),
        usd=_factor(
            sum(batch.billed_usd for batch in batches),
            sum(batch.estimated_usd / batch.correction.usd for batch in batches),
        ),
    )


def read(fields: object) -> Correction:
    """The correction in a batch's document; none where it says none that could be."""
    kept = fields if isinstance(fields, dict) else {}
    return Correction(tokens=_bounded(kept.get("tokens")), usd=_bounded(kept.get("usd")))


def _factor(billed: float, estimated: float) -> float:
    return min(_MOST, max(_LEAST, billed / estimated)) if billed and estimated else 1.0


def _bounded(factor: object) -> float:
    is_factor = isinstance(factor, int | float) and _LEAST <= factor <= _MOST
    return float(factor) if is_factor and isinstance(factor, int | float) else 1.0
