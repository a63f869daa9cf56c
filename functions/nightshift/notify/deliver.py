"""Deliver: take what waits for a user, send it by e-mail and push, and record what came of it.

`take` takes messages by one commit, so each is sent by one sender. Then it sends, then it records (`record`). What is
sent together, and when, is the plan's (`plan`).

What is not known to have failed is not sent again: a sender that died while it sent leaves `sending`, which becomes
`doubtful` later. What was refused waits and is tried again, for a day. The notification in the app is there anyway.
"""

from typing import Final

from google.cloud.firestore import FieldFilter

from nightshift.database.collections import DIGESTS
from nightshift.database.commits import READ
from nightshift.duty import run_isolated
from nightshift.notify import mail, outbox, push
from nightshift.notify.outbox import Message
from nightshift.notify.record import record
from nightshift.notify.take import take
from nightshift.runtime import Runtime, TimeLimit

_MOST_USERS: Final = 200


async def deliver_message(runtime: Runtime, message_id: str) -> None:
    """A message was created: deliver what waits for its user. Raises TryLater."""
    snapshot = await outbox.outbox_ref(runtime, message_id).get(**READ)
    if snapshot.exists:
        time_limit = runtime.time_limit(runtime.settings.tick_seconds)
        await deliver_to(runtime, Message.of(snapshot).user_id, time_limit)


async def deliver_due(runtime: Runtime, time_limit: TimeLimit) -> None:
    """Deliver what no call has delivered, what was put off, and what was refused before."""
    query = (
        runtime.firestore.collection(DIGESTS)
        .where(filter=FieldFilter("dueAt", "<=", runtime.now()))
        .order_by("dueAt")
        .limit(_MOST_USERS)
    )
    due = await query.get(**READ)
    for left, snapshot in zip(range(len(due), 0, -1), due, strict=True):
        if time_limit.is_over:
            return
        await run_isolated("deliver", deliver_to(runtime, snapshot.id, time_limit.share(1 / left)))


async def deliver_to(runtime: Runtime, user_id: str, time_limit: TimeLimit) -> None:
    """Deliver what waits for a user and may be sent now, as much as the time allows. Raises TryLater."""
    # One at a time: a sender that dies leaves one in doubt.
    while not time_limit.is_over and (taken := await take(runtime, user_id)):
        sending = taken.sending
        outcomes = {way: await _SENDERS[way](runtime, sending) for way in sending.ways}
        await record(runtime, sending, outcomes, taken_at=taken.at, due_at=taken.due_at)


_SENDERS: Final = {"email": mail.send, "push": push.send}
