"""Take what may be sent to a user now, by one commit: from then on it is this sender's, and no other sends it.

The commit holds under the update times of the messages and of `digests/{uid}`. So two senders of one user cannot both
begin a digest. What a dead sender left becomes doubtful in the same commit.

If the answer to the commit is lost, the messages are read again: they bear the name of the sending that took them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Final

import structlog
from google.cloud.firestore import FieldFilter

from nightshift.database.collections import OUTBOX
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.notify import mail, preferences
from nightshift.notify.accounts import verified_address
from nightshift.notify.compose import compose
from nightshift.notify.digest import read_digest
from nightshift.notify.outbox import DOUBTFUL, SENDING, UNWANTED, WAITING, Message, outbox_ref
from nightshift.notify.plan import plan
from nightshift.notify.preferences import MessagePreferences
from nightshift.notify.record import end
from nightshift.notify.sending import Sending
from nightshift.runtime import Runtime

log = structlog.get_logger()

# Longer than a sender needs for a message: it gives up before.
_SENDING_FOR: Final = timedelta(minutes=10)
# In one digest. More wait for the next.
_MOST_MESSAGES: Final = 100


@dataclass(frozen=True, kw_only=True)
class TakenMessages:
    """What a sender has taken, by one commit."""

    sending: Sending
    # The update time of all that the commit changed.
    at: datetime
    # When what was not taken is due; None for never.
    due_at: datetime | None


async def take(runtime: Runtime, user_id: str) -> TakenMessages | None:
    """Take the messages that may be sent now; None if there is nothing to send.

    Raises:
        TryLater: Firebase Auth cannot be asked, or it is not known whether they are taken. Later they are doubtful.
    """
    doubtful: TakenMessages | None = None
    async for _ in attempts():
        if doubtful and (taken_at := await _taken_at(runtime, doubtful.sending)):
            return TakenMessages(sending=doubtful.sending, at=taken_at, due_at=doubtful.due_at)
        now = runtime.now()
        digest = await read_digest(runtime, user_id)
        waiting, left = await _messages(runtime, user_id, now)
        wanted = (await preferences.read(runtime, [user_id])).get(user_id, MessagePreferences())
        planned = plan(waiting, wanted, digest.sent_at, now)
        sending = await _compose(runtime, user_id, planned.group, digest.unsubscribe_key) if planned.group else None
        # A sender that dies is looked for when it must have ended.
        look_at = now + _SENDING_FOR if sending else None
        due_at = min((moment for moment in (planned.due_at, look_at) if moment), default=None)
        if not (sending or left or planned.unwanted) and due_at == digest.due_at:
            return None
        commit = Commit(runtime)
        for message in left:
            end(runtime, commit, message, DOUBTFUL, {})
        for message in planned.unwanted:
            end(runtime, commit, message, UNWANTED, {})
        if sending:
            _take_all(runtime, commit, sending)
        digest.write(commit, sent_at=now if planned.is_digest else digest.sent_at, due_at=due_at)
        try:
            update_time = await commit.send()
        except Undecided:
            doubtful = TakenMessages(sending=sending, at=now, due_at=planned.due_at) if sending else None
            continue
        if left:
            log.warning("messages_doubtful", messages=len(left))
        return TakenMessages(sending=sending, at=update_time, due_at=planned.due_at) if sending else None
    raise AssertionError("attempts() ends by raising")


async def _taken_at(runtime: Runtime, sending: Sending) -> datetime | None:
    """When the commit that took a sending took effect; None if it did not. One read."""
    snapshot = await outbox_ref(runtime, sending.messages[0].message_id).get(**READ)
    is_ours = snapshot.exists and (snapshot.to_dict() or {}).get("sendingId") == sending.sending_id
    return snapshot.update_time if is_ours else None


def _take_all(runtime: Runtime, commit: Commit, sending: Sending) -> None:
    if "email" in sending.ways:
        mail.write(runtime, commit, sending)
    for message in sending.messages:
        ref = outbox_ref(runtime, message.message_id)
        taken = {"status": SENDING, "sendingId": sending.sending_id, "attempts": message.attempts + 1}
        commit.update(ref, taken, read_as_of=message.update_time)


async def _compose(runtime: Runtime, user_id: str, group: Sequence[Message], unsubscribe_key: str) -> Sending:
    """The sending of these messages. Raises TryLater where Firebase Auth cannot be asked for the address."""
    address = await verified_address(runtime, user_id) if "email" in group[0].ways else None
    url = mail.unsubscribe_url(runtime, user_id, unsubscribe_key)
    return Sending(
        sending_id=token_hex(12),
        user_id=user_id,
        messages=group,
        # Without an address there is no mail.
        ways=tuple(way for way in group[0].ways if way != "email" or address),
        text=compose(group, app_url=runtime.settings.dashboard_origin, unsubscribe_url=url),
        address=address,
        unsubscribe_key=unsubscribe_key,
    )


async def _messages(runtime: Runtime, user_id: str, now: datetime) -> tuple[list[Message], list[Message]]:
    """A user's messages that wait, and those that a dead sender left."""
    of_user = runtime.firestore.collection(OUTBOX).where(filter=FieldFilter("userId", "==", user_id))
    waiting = of_user.where(filter=FieldFilter("status", "==", WAITING)).limit(_MOST_MESSAGES)
    sending = of_user.where(filter=FieldFilter("status", "==", SENDING)).limit(_MOST_MESSAGES)
    found = [Message.of(snapshot) for snapshot in await waiting.get(**READ)]
    taken = [Message.of(snapshot) for snapshot in await sending.get(**READ)]
    return found, [message for message in taken if message.update_time < now - _SENDING_FOR]
