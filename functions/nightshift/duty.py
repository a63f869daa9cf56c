"""A duty that must not stop the others: what goes wrong in it is logged, and left to the next tick."""

from collections.abc import Awaitable

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from nightshift.errors import LeaseHeld, NeverLands, TryLater
from nightshift.log import left_to_the_next_tick, where_raised

log = structlog.get_logger()


async def run_isolated(duty: str, work: Awaitable[object], **ids: str) -> bool:
    """Await the work, with these ids on its events; its error ends here. Returns whether it went well."""
    bound_before = get_contextvars()
    bind_contextvars(**ids)
    try:
        await work
    except LeaseHeld:
        # It is being done.
        return True
    except TryLater as trouble:
        left_to_the_next_tick(duty, trouble)
    except NeverLands as impossible:
        log.error("write_impossible", duty=duty, error=str(impossible), where=where_raised(impossible))
    except Exception as bug:  # noqa: BLE001 - one batch that cannot be dealt with must not stop all the others
        log.error("duty_failed", duty=duty, error=type(bug).__name__, where=where_raised(bug))
    else:
        return True
    finally:
        # What the work has bound ends with it.
        clear_contextvars()
        bind_contextvars(**bound_before)
    return False
