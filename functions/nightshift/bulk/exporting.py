"""Export: `exporting` → `completed` or `cancelled`. The result files are written, and the user is notified."""

from contextlib import suppress

import structlog

from nightshift.bulk import documents, ending, transitions
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.result_files import delete_pieces, write_files
from nightshift.database.commits import Undecided, attempts
from nightshift.database.leases import LeaseHolder
from nightshift.errors import TryLater
from nightshift.runtime import Runtime, TimeLimit
from nightshift.values.texts import Text

log = structlog.get_logger()


async def export(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder, time_limit: TimeLimit) -> bool:
    """Write the result files, and end the bulk job. Returns False: nothing follows now.

    Raises:
        LeaseHeld: another process writes them; of all that the last parts called, one alone is to.
        TryLater: Cloud Storage did not answer.
    """
    await holder.on_record()
    async for _ in attempts():
        parts = await documents.whole_parts(runtime, bulk.bulk_id, bulk.parts)
        files = await write_files(runtime, bulk, parts, time_limit)
        if files is None:
            return False
        fields = {**transitions.told(parts), "files": files}
        if bulk.ends_as == "cancelled":
            fields |= {"errorCode": "cancelled", "errorMessage": Text.TABLE_CANCELLED.say()}
        try:
            message = ending.summary(parts)
            await transitions.end(runtime, holder, bulk, bulk.ends_as, message=message, fields=fields, parts=parts)
        except Undecided:
            continue
        with suppress(TryLater):
            # What is left of them is deleted with the bulk job's other objects.
            await delete_pieces(runtime, bulk.bulk_id)
        log.info("bulk_ended", bulk_id=bulk.bulk_id, outcome=bulk.ends_as, **fields["counts"])
        return False
    return False
