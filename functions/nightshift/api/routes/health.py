"""`GET /health`: the API answers; and for an admin, how the last tick left the night."""

from typing import Any, Final

from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.health import Health
from nightshift.reports import last_tick

_NUMBERS: Final = ("dutiesFailed", "queued", "oldestQueuedSeconds", "openBatches", "oldestBatchSeconds")


async def look(call: ApiCall) -> Health:
    """Say that the API answers. An admin's token brings the last tick's age, and the backlog as that tick left it."""
    if call.caller is None or not call.caller.claims_admin:
        return Health()
    record = await last_tick.read(call.runtime)
    if record is None:
        return Health()
    numbers: dict[str, Any] = {name: record.fields.get(name) for name in _NUMBERS}
    age_seconds = max(0.0, (call.runtime.now() - record.done_at).total_seconds())
    return Health(lastTickAt=record.done_at, tickAgeSeconds=round(age_seconds, 3), **numbers)


ROUTES: Final = (
    ApiRoute(method="GET", path="/health", who="public", handler=look, answer=Health, aliases=("/batch/health",)),
)
