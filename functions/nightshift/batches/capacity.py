"""What one more batch of a lane may hold now.

Jobs go before the parts of bulk jobs. So where `NIGHTSHIFT_MAX_ENQUEUED_TOKENS` holds jobs back, they leave a quarter
of it to the parts of running bulk jobs: else a flood of jobs would keep every bulk job of the lane waiting.
"""

from typing import Final

from nightshift.batches import documents as batches
from nightshift.batches.limits import BatchLimits
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane

_SHARE_OF_JOBS: Final = 0.75


async def limits_of(
    runtime: Runtime, lane: Lane, most_requests: int | None, usd: float, *, is_of_part: bool = False
) -> BatchLimits:
    """What one more batch of the lane may hold, with so much of the budget left."""
    settings, traits = runtime.settings, runtime.provider_for(lane).traits
    most_tokens = settings.max_enqueued_tokens
    if most_tokens and not is_of_part and await batches.has_running_bulk_job(runtime, lane):
        most_tokens = max(1, int(most_tokens * _SHARE_OF_JOBS))
    in_flight = await batches.estimated_tokens_in_flight(runtime, lane) if most_tokens else 0
    return BatchLimits(
        requests=min(settings.max_batch_requests, traits.max_requests, most_requests or traits.max_requests),
        bytes=min(settings.max_batch_bytes, traits.max_bytes),
        tokens=most_tokens - in_flight if most_tokens else None,
        lane_is_idle=in_flight == 0,
        usd=usd,
    )
