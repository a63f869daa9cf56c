"""What a worker of bulk jobs does, by its call. An error means that the call is delivered again."""

from nightshift.bulk.advance import advance_bulk
from nightshift.bulk.instant import answer_part
from nightshift.bulk.messages import BulkCall
from nightshift.runtime import Runtime


async def work(runtime: Runtime, call: BulkCall) -> None:
    """Do what a worker was called for.

    Raises:
        LeaseHeld: another instance is at it; the call is delivered again, until the work is done or found done.
        TryLater: a step met a passing trouble.
    """
    time_limit = runtime.time_limit(runtime.settings.tick_seconds)
    if call.part is not None:
        await answer_part(runtime, call.bulk_id, call.part, time_limit)
    await advance_bulk(runtime, call.bulk_id, time_limit)
