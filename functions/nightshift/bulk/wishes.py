"""What a user, or an operator, wishes of a bulk job: confirm, pause, resume, cancel, retry.

A wish is recorded in the bulk job's document, in one commit under its update time. So of two wishes at once one comes
first, and the second is judged by what the first left. A worker is called, and carries it out; a lost call leaves it to
the tick. A wish that can mean nothing now is refused, and changes nothing.

| wish | of a bulk job that is | what becomes of it |
|---|---|---|
| confirm | quoted | charged, then running |
| pause | running | paused: no further part is started |
| resume | paused | running |
| cancel | open, but for exporting | what is answered stays and is paid; all else is cancelled and refunded |
| retry | ended, with items that failed or were cancelled | quoted: the count and the price of these items |
"""

from collections.abc import Mapping
from typing import Final

import structlog
from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.bulk import documents, messages
from nightshift.bulk.bulk_job import ENDED, BulkJob, BulkStatus, Wish
from nightshift.database.commits import Commit, Undecided, attempts
from nightshift.errors import NightshiftError
from nightshift.runtime import Runtime

log = structlog.get_logger()

_FROM: Final[Mapping[Wish, tuple[BulkStatus, ...]]] = {
    "confirm": ("quoted",),
    "pause": ("running",),
    "resume": ("paused",),
    "cancel": ("created", "reading", "quoted", "running", "paused"),
    "retry": ENDED,
}


class WishRefused(NightshiftError):
    """A wish that can mean nothing now. `code` is for programs: `not_found`, `not_now` or `nothing_to_retry`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


async def confirm(runtime: Runtime, bulk_id: str, *, user_id: str | None = None, tokens: int | None = None) -> BulkJob:
    """Wish that a quoted bulk job is charged and runs.

    Args:
        user_id: whose it has to be; None for an operator.
        tokens: what it may cost at most; None = what the quote says.

    Returns:
        The bulk job as it was before.

    Raises:
        WishRefused: it does not exist, or is not quoted.
    """
    return await _wish(runtime, bulk_id, "confirm", user_id, tokens)


async def pause(runtime: Runtime, bulk_id: str, *, user_id: str | None = None) -> BulkJob:
    """Wish that a running bulk job starts no further part. Returns and raises as `confirm`."""
    return await _wish(runtime, bulk_id, "pause", user_id)


async def resume(runtime: Runtime, bulk_id: str, *, user_id: str | None = None) -> BulkJob:
    """Wish that a paused bulk job goes on. Returns and raises as `confirm`."""
    return await _wish(runtime, bulk_id, "resume", user_id)


async def cancel(runtime: Runtime, bulk_id: str, *, user_id: str | None = None) -> BulkJob:
    """Wish that a bulk job stops. What is answered stays, and is paid. Returns and raises as `confirm`."""
    return await _wish(runtime, bulk_id, "cancel", user_id)


async def retry(runtime: Runtime, bulk_id: str, *, user_id: str | None = None, tokens: int | None = None) -> BulkJob:
    """Wish that what failed or was cancelled is run again. It is quoted first.

    Args:
        tokens: it begins by itself if it costs no more than this; None = it waits for a confirmation.

    Returns and raises as `confirm`.
    """
    return await _wish(runtime, bulk_id, "retry", user_id, tokens)


async def _wish(runtime: Runtime, bulk_id: str, wish: Wish, user_id: str | None, tokens: int | None = None) -> BulkJob:
    async for _ in attempts():
        bulk = await documents.read(runtime, bulk_id)
        if bulk is None or (user_id is not None and bulk.user_id != user_id):
            raise WishRefused("not_found", "There is no such bulk job.")
        if bulk.wish == wish and bulk.wish_tokens == tokens:
            # Of a commit whose answer was lost, or of a second click.
            return bulk
        _check(bulk, wish)
        recorded = {"action": wish, **({} if tokens is None else {"tokens": tokens})}
        commit = Commit(runtime)
        fields = {"wish": recorded, "updatedAt": SERVER_TIMESTAMP}
        commit.update(documents.bulk_ref(runtime, bulk_id), fields, read_as_of=bulk.update_time)
        try:
            await commit.send()
        except Undecided:
            continue
        log.info("bulk_wished", bulk_id=bulk_id, wish=wish)
        await messages.call_workers(runtime, [bulk_id])
        return bulk
    raise AssertionError("attempts() ends by raising")


def _check(bulk: BulkJob, wish: Wish) -> None:
    if bulk.status not in _FROM[wish] or bulk.is_cancelling:
        doing = "being cancelled" if bulk.is_cancelling else bulk.status
        raise WishRefused("not_now", f"The bulk job is {doing}; {wish} means nothing now.")
    if wish == "retry" and not (bulk.counts.failed or bulk.counts.cancelled):
        raise WishRefused("nothing_to_retry", "No item of the bulk job has failed.")
