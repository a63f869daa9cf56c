"""Refuse: a bulk job ends as `failed` before anything of it was charged, with a code and a sentence."""

import structlog

from nightshift.bulk import documents, transitions
from nightshift.bulk.bulk_job import BulkJob
from nightshift.database.commits import Undecided, attempts
from nightshift.database.leases import LeaseHolder
from nightshift.errors import JobRefused
from nightshift.runtime import Runtime
from nightshift.values.texts import Text

log = structlog.get_logger()


async def refuse(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder, refusal: JobRefused) -> None:
    """End a bulk job that was not charged, and tell its user."""
    log.info("bulk_refused", bulk_id=bulk.bulk_id, code=refusal.code)
    fields = {"errorCode": refusal.code, "errorMessage": refusal.message}
    message = Text.NOTHING_CHARGED.say(what=refusal.message)
    async for _ in attempts():
        # What was read of it expires with it.
        number = bulk.parts or await documents.count_parts(runtime, bulk)
        parts = await documents.parts_of(runtime, bulk.bulk_id, number) if number else []
        try:
            await transitions.end(runtime, holder, bulk, "failed", message=message, fields=fields, parts=parts)
        except Undecided:
            continue
        return
