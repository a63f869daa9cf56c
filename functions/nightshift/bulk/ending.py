"""The ends of a bulk job, and the cancellation of parts without a batch or a worker."""

import structlog

from nightshift.bulk import documents, rounds, transitions
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.bulk.requests import open_items
from nightshift.bulk.round import Round
from nightshift.database.commits import Commit, Undecided, attempts
from nightshift.database.leases import LeaseHolder
from nightshift.runtime import Runtime
from nightshift.values.texts import Text

log = structlog.get_logger()


async def cancel_part(runtime: Runtime, bulk: BulkJob, number: int) -> bool:
    """Cancel and refund the open items of a part that waits. Returns whether it did; another process may have it."""
    async for _ in attempts():
        part = await documents.read_part(runtime, bulk.bulk_id, number)
        if part is None or part.status != "waiting":
            return False
        round_ = Round(part)
        ends = []
        async for items in open_items(runtime, part):
            ends += [round_.fail(index, "cancelled", Text.CANCELLED.say(), "cancelled") for index, _ in items]
        name = await rounds.write_ends(runtime, part, ends) if ends else None
        commit = Commit(runtime)
        (await rounds.move(runtime, bulk, round_, name, has_batch=False))(commit)
        try:
            await commit.send()
        except Undecided:
            continue
        return True
    return False


async def cancel_before_it_runs(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder, reason: str = "") -> None:
    """Cancel a bulk job that is created, read or quoted: of what was read every item is cancelled, and nothing paid."""
    async for _ in attempts():
        number = bulk.parts or await documents.count_parts(runtime, bulk)
        for part in await documents.parts_of(runtime, bulk.bulk_id, number):
            if part.status == "waiting":
                await cancel_part(runtime, bulk, part.part)
        parts = await documents.parts_of(runtime, bulk.bulk_id, number)
        message = reason or Text.CANCELLED.say()
        fields = {
            **transitions.told(parts),
            "parts": number,
            "errorCode": "cancelled",
            "errorMessage": message,
        }
        try:
            told = Text.NOTHING_CHARGED.say(what=message)
            await transitions.end(runtime, holder, bulk, "cancelled", message=told, fields=fields, parts=parts)
        except Undecided:
            continue
        return


async def cancel_unconfirmed(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder) -> None:
    """Cancel a bulk job whose price was not confirmed in time."""
    await cancel_before_it_runs(runtime, bulk, holder, Text.PRICE_UNCONFIRMED.say())


async def end_without_items(runtime: Runtime, bulk: BulkJob, holder: LeaseHolder) -> None:
    """Let a bulk job fail in which no row can be answered."""
    parts = await documents.parts_of(runtime, bulk.bulk_id, bulk.parts)
    message = Text.TABLE_NO_ROW.say()
    fields = {"errorCode": "invalid_input", "errorMessage": message}
    told = Text.NOTHING_CHARGED.say(what=message)
    await transitions.end(runtime, holder, bulk, "failed", message=told, fields=fields, parts=parts)


def summary(parts: list[BulkPart]) -> str:
    """What a user reads of a bulk job that has ended: how many items ended how."""
    counts = transitions.told(parts)["counts"]
    found = [f"{counts[name]:,} {name}" for name in ("completed", "failed", "cancelled") if counts[name]]
    return Text.TABLE_SUMMARY.say(ends=", ".join(found), total=counts["total"])
