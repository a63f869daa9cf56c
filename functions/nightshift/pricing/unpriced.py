"""A lane whose model has no listed price: its cost is counted nowhere, and no budget holds for it."""

import structlog

from nightshift.pricing.prices import batch_cost_usd
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane
from nightshift.values.usage import NOTHING_USED

log = structlog.get_logger()


def tell_if_unpriced(runtime: Runtime, lane: Lane) -> None:
    """Say once in an instance that this lane's model has no listed price."""
    told = runtime.instance.unpriced_lanes
    if lane in told or batch_cost_usd(lane.provider, lane.model, NOTHING_USED) is not None:
        return
    told.add(lane)
    # With a budget set, the operator believes in a bound that there is not.
    (log.error if runtime.settings.daily_budget_usd else log.warning)("price_unknown", lane=str(lane))
