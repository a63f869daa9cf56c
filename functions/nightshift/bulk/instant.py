"""Parts that are answered in real time."""

from nightshift.bulk import messages
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.runtime import Runtime, TimeLimit


async def call_for(runtime: Runtime, bulk: BulkJob, parts: list[BulkPart], most: int) -> None:
    """Call a worker for each part that waits."""
    waiting = [part.part for part in parts if part.status == "waiting"]
    await messages.call_for_parts(runtime, bulk.bulk_id, waiting[:most])


async def cancel(runtime: Runtime, bulk: BulkJob, part: BulkPart) -> None:
    """Cancel."""


async def answer_part(runtime: Runtime, bulk_id: str, part: int, time_limit: TimeLimit) -> None:
    """Answer."""
