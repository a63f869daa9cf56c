"""The alert that a user's failed answers have cost us as much as they may in a day."""

import structlog

from nightshift.runtime import Runtime

log = structlog.get_logger()


def tell_if_reached(runtime: Runtime, before_usd: float, after_usd: float, **ids: str) -> None:
    """Log it if the day's cost passes the limit between the two.

    It is said whether or not the answer to the commit arrived: twice rather than never.
    """
    limit_usd = runtime.settings.max_failed_usd_per_day
    if before_usd < limit_usd <= after_usd:
        log.warning("failures_limit_reached", failed_usd=after_usd, limit_usd=limit_usd, **ids)
