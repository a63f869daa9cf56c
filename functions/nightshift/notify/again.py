"""What was not sent, as an operator sees it, and how it goes again."""

from collections.abc import Sequence

from google.cloud.firestore import DELETE_FIELD, FieldFilter

from nightshift.database.collections import OUTBOX
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.notify.outbox import DOUBTFUL, FAILED, WAITING, Message, digest_ref, outbox_ref
from nightshift.runtime import Runtime

MOST_LISTED = 1_000


async def not_sent(runtime: Runtime, most: int) -> list[Message]:
    """Messages that failed or are in doubt, at most so many of each. One read for each."""
    of_status = [
        runtime.firestore.collection(OUTBOX).where(filter=FieldFilter("status", "==", status)).limit(most)
        for status in (FAILED, DOUBTFUL)
    ]
    return [Message.of(snapshot) for query in of_status for snapshot in await query.get(**READ)]


async def send_again(runtime: Runtime, messages: Sequence[Message]) -> int:
    """Let messages wait again, the ways that did not work, and at once; returns how many. Raises TryLater.

    The next tick delivers them, or whatever delivers next to the same user.
    """
    again = 0
    for message in messages:
        if not message.codes or not await _wait_again(runtime, message):
            continue
        again += 1
    return again


async def _wait_again(runtime: Runtime, message: Message) -> bool:
    async for _ in attempts():
        snapshot = await outbox_ref(runtime, message.message_id).get(**READ)
        if not snapshot.exists or (found := Message.of(snapshot)).status != message.status:
            # It goes again already, or its job has ended again.
            return False
        commit = Commit(runtime)
        waits = {"status": WAITING, "ways": list(found.codes), "attempts": 1, "retryAt": DELETE_FIELD}
        commit.update(snapshot.reference, waits, read_as_of=found.update_time)
        commit.merge(digest_ref(runtime, found.user_id), {"dueAt": runtime.now()})
        try:
            await commit.send()
        except Undecided:
            continue
        return True
    return False
