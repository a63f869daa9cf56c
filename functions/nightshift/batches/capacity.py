"""What one more batch of a lane may hold now."""

from nightshift.batches import documents as batches
from nightshift.batches.limits import BatchLimits
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane


async def limits_of(runtime: Runtime, lane: Lane, most_requests: int | None, usd: float) -> BatchLimits:
    """What one more batch of the lane may hold, with so much of the budget left."""
    settings, traits = runtime.settings, runtime.provider_for(lane).traits
    most_tokens = settings.max_enqueued_tokens
    in_flight = await batches.estimated_tokens_in_flight(runtime, lane) if most_tokens else 0
    return BatchLimits(
        requests=min(settings.max_batch_requests, traits.max_requests, most_requests or traits.max_requests),
        bytes=min(settings.max_batch_bytes, traits.max_bytes),
        tokens=most_tokens - in_flight if most_tokens else None,
        lane_is_idle=in_flight == 0,
        usd=usd,
    )
