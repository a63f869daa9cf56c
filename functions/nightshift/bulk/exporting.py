"""Export: `exporting` → `completed` or `cancelled`. The result files are written, and the user is told."""

import structlog

from nightshift.bulk import documents, ending, transitions
from nightshift.bulk.bulk_job import BulkJob
from nightshift.database.commits import Undecided, attempts
from nightshift.database.leases import LeaseHolder
from nightshift.runtime import Runtime, TimeLimit

log = structlog.get_logger()


async def export(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder, time_limit: TimeLimit) -> bool:
    """Write the result files, and end the bulk job. Returns whether it has ended. Raises TryLater."""
    async for _ in attempts():
        parts = await documents.parts_of(runtime, bulk.bulk_id, bulk.parts)
        fields = transitions.told(parts)
        if bulk.ends_as == "cancelled":
            fields |= {"errorCode": "cancelled", "errorMessage": "The bulk job was cancelled."}
        try:
            message = ending.summary(parts)
            await transitions.end(runtime, holder, bulk, bulk.ends_as, message=message, fields=fields, parts=parts)
        except Undecided:
            continue
        log.info("bulk_ended", bulk_id=bulk.bulk_id, outcome=bulk.ends_as, **fields["counts"])
        return False
    return False
