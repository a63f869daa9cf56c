"""In which lane a part is asked for: the bulk job's own, or the fallback lane where that is late or broken.

A part is moved as a whole, with the items that are open; what was answered stays. It is moved in the commit that closes
its batch, or in the one that makes its next batch. So it is never asked for in two lanes at once, and its user pays
once. The price in tokens is that of the quote, whichever lane answers.
"""

from nightshift.batches import lanes
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.bulk.requests import job_for, open_items
from nightshift.jobs.fallback import fallback_of, may_leave
from nightshift.runtime import Runtime
from nightshift.values.lane import Lane


async def lane_for(runtime: Runtime, bulk: BulkJob, part: BulkPart) -> Lane | None:
    """The lane in which the part's next batch is made; None of a bulk job that was never checked."""
    lane = part.lane or bulk.lane
    if lane is None or not may_leave(runtime, lane) or not await lanes.is_broken(runtime, lane):
        return lane
    return await fallback_lane(runtime, bulk, part, lane) or lane


async def fallback_lane(runtime: Runtime, bulk: BulkJob, part: BulkPart, lane: Lane) -> Lane | None:
    """The lane to which the part may be moved from this one; None if one of its open items has to stay.

    Without a fallback lane nothing is read; else the part's rows are.
    """
    if not may_leave(runtime, lane):
        return None
    fallback = fallback_of(runtime, lane)
    other = fallback(job_for(bulk, part, 0))
    if other is None:
        return None
    async for items in open_items(runtime, part):
        if any(fallback(job_for(bulk, part, index, row)) is None for index, row in items):
            return None
    return other
