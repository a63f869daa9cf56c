"""Deliver: take what waits for a user, send it by e-mail and push, and record what came of it.

A sender takes messages by one commit under their update times, which also notes the time in `digests/{uid}`. So each
message is sent by one sender, and two senders of one user cannot both begin a digest. Then it sends, then it records.

What is not known to have failed is not sent again: a sender that died while it sent leaves `sending`, which becomes
`doubtful` later. What was refused waits and is tried again, for a day. The notification in the app is there anyway.

Bulk jobs are told one by one and at once. Single jobs share a message: the first is told at once, the others at most
once an hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

import structlog
from google.cloud.firestore import DELETE_FIELD, FieldFilter

from nightshift.database.collections import DIGESTS, OUTBOX
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.fields import time_or_none
from nightshift.duty import run_isolated
from nightshift.notify import mail, outbox, preferences, push
from nightshift.notify.accounts import verified_address
from nightshift.notify.compose import compose
from nightshift.notify.outbox import DOUBTFUL, FAILED, SENDING, SENT, UNWANTED, WAITING, Message
from nightshift.notify.preferences import MessagePreferences, Way
from nightshift.notify.sending import Outcome, Sending
from nightshift.runtime import Runtime, TimeLimit

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

log = structlog.get_logger()

BETWEEN_DIGESTS: Final = timedelta(hours=1)
# Longer than a sender needs for a message: it gives up before.
_SENDING_FOR: Final = timedelta(minutes=10)
_FIRST_PAUSE: Final = timedelta(minutes=2)
_LONGEST_PAUSE: Final = timedelta(hours=4)
# With these pauses, a day.
_MOST_ATTEMPTS: Final = 12
# In one digest. More wait for the next.
_MOST_MESSAGES: Final = 100
_MOST_USERS: Final = 200


@dataclass(frozen=True, kw_only=True)
class _Digest:
    """What is kept of a user's messages, in `digests/{uid}`."""

    ref: "AsyncDocumentReference"
    # When messages of single jobs were last sent; None before.
    sent_at: datetime | None
    # None where nothing waits, as far as it is known.
    due_at: datetime | None
    # By which an address may be taken off without signing in.
    unsubscribe_key: str
    update_time: datetime | None

    @classmethod
    def of(cls, snapshot: "DocumentSnapshot[Any]") -> "_Digest":
        fields = snapshot.to_dict() or {}
        return cls(
            ref=snapshot.reference,
            sent_at=time_or_none(fields.get("sentAt")),
            due_at=time_or_none(fields.get("dueAt")),
            unsubscribe_key=str(fields.get("unsubscribeKey") or token_hex(16)),
            update_time=snapshot.update_time if snapshot.exists else None,
        )

    def write(self, commit: Commit, *, sent_at: datetime | None, due_at: datetime | None) -> None:
        """Add it to a commit, which fails if it has changed since it was read."""
        fields = {
            "sentAt": DELETE_FIELD if sent_at is None else sent_at,
            "dueAt": DELETE_FIELD if due_at is None else due_at,
            "unsubscribeKey": self.unsubscribe_key,
        }
        if self.update_time is None:
            commit.create(self.ref, fields)
        else:
            commit.update(self.ref, fields, read_as_of=self.update_time)


async def deliver_message(runtime: Runtime, message_id: str) -> None:
    """A message was created: deliver what waits for its user. Raises TryLater."""
    snapshot = await outbox.outbox_ref(runtime, message_id).get(**READ)
    if snapshot.exists:
        await deliver_to(runtime, Message.of(snapshot).user_id)


async def deliver_due(runtime: Runtime, time_limit: TimeLimit) -> None:
    """Deliver what no call has delivered, what was put off, and what was refused before."""
    query = (
        runtime.firestore.collection(DIGESTS)
        .where(filter=FieldFilter("dueAt", "<=", runtime.now()))
        .order_by("dueAt")
        .limit(_MOST_USERS)
    )
    for snapshot in await query.get(**READ):
        if time_limit.is_over:
            return
        await run_isolated("deliver", deliver_to(runtime, snapshot.id))


async def deliver_to(runtime: Runtime, user_id: str) -> None:
    """Deliver what waits for a user and may be sent now. Raises TryLater."""
    # One at a time: a sender that dies leaves one in doubt.
    while (taken := await _take(runtime, user_id)).sending:
        sending = taken.sending
        outcomes = {way: await _SENDERS[way](runtime, sending) for way in sending.ways}
        await _record(runtime, sending, outcomes, taken)


_SENDERS: Final = {"email": mail.send, "push": push.send}


@dataclass(frozen=True, kw_only=True)
class _TakenMessages:
    """What a sender has taken, by one commit."""

    # None if nothing may be sent now.
    sending: Sending | None
    # The update time of all that the commit changed.
    at: datetime | None
    # When what was not taken is due.
    due_at: datetime | None


async def _take(runtime: Runtime, user_id: str) -> _TakenMessages:
    """Take the messages that may be sent now: from here on they are ours, and nothing else sends them."""
    async for _ in attempts():
        now = runtime.now()
        digest = _Digest.of(await outbox.digest_ref(runtime, user_id).get(**READ))
        waiting, left = await _messages(runtime, user_id, now)
        wanted = (await preferences.read(runtime, [user_id])).get(user_id, MessagePreferences())
        plan = _plan(waiting, wanted, digest, now)
        sending = await _compose(runtime, user_id, plan.group, digest.unsubscribe_key) if plan.group else None
        # A sender that dies is looked for when it must have ended.
        look_at = now + _SENDING_FOR if sending else None
        due_at = min((moment for moment in (plan.due_at, look_at) if moment), default=None)
        if not (sending or left or plan.unwanted) and due_at == digest.due_at:
            break
        commit = Commit(runtime)
        for message in left:
            _end(runtime, commit, message, DOUBTFUL, {})
        for message in plan.unwanted:
            _end(runtime, commit, message, UNWANTED, {})
        if sending:
            _take_all(runtime, commit, sending)
        is_digest = bool(plan.group and plan.group[0].topic == "jobs" and not plan.group[0].attempts)
        digest.write(commit, sent_at=now if is_digest else digest.sent_at, due_at=due_at)
        try:
            update_time = await commit.send()
        except Undecided:
            continue
        if left:
            log.warning("messages_doubtful", messages=len(left))
        return _TakenMessages(sending=sending, at=update_time, due_at=plan.due_at)
    return _TakenMessages(sending=None, at=None, due_at=None)


def _take_all(runtime: Runtime, commit: Commit, sending: Sending) -> None:
    if "email" in sending.ways:
        mail.write(runtime, commit, sending)
    for message in sending.messages:
        ref = outbox.outbox_ref(runtime, message.message_id)
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


def _end(runtime: Runtime, commit: Commit, message: Message, status: str, codes: dict[Way, str]) -> None:
    fields = {"status": status, "ways": [], "retryAt": DELETE_FIELD, **({"codes": codes} if codes else {})}
    commit.update(outbox.outbox_ref(runtime, message.message_id), fields, read_as_of=message.update_time)


async def _record(runtime: Runtime, sending: Sending, outcomes: dict[Way, Outcome], taken: _TakenMessages) -> None:
    """Record what came of a sending. What was refused waits again, and goes only the ways that refused it."""
    refused: list[Way] = [way for way, outcome in outcomes.items() if outcome.kind == "refused"]
    attempts_made = max(message.attempts for message in sending.messages) + 1
    goes_again = bool(refused) and attempts_made < _MOST_ATTEMPTS
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempts_made - 1))
    retry_at = runtime.now() + pause if goes_again else None
    codes: dict[Way, str] = {way: outcome.code for way, outcome in outcomes.items() if outcome.code}
    messages = [replace(message, update_time=taken.at) for message in sending.messages if taken.at]
    async for _ in attempts():
        commit = Commit(runtime)
        digest = _Digest.of(await outbox.digest_ref(runtime, sending.user_id).get(**READ))
        for message in messages:
            if goes_again:
                ref = outbox.outbox_ref(runtime, message.message_id)
                again = {"status": WAITING, "ways": refused, "retryAt": retry_at, "codes": codes}
                commit.update(ref, again, read_as_of=message.update_time)
            else:
                _end(runtime, commit, message, _status(outcomes), codes)
        if mailed := outcomes.get("email"):
            mail.record(runtime, commit, sending, mailed)
        # Whatever ended meanwhile has made it due at once.
        is_ours = digest.due_at is None or digest.due_at > runtime.now()
        due = [moment for moment in (taken.due_at, retry_at) if moment]
        digest.write(commit, sent_at=digest.sent_at, due_at=min(due, default=None) if is_ours else digest.due_at)
        try:
            await commit.send()
        except Undecided:
            messages = await _unchanged(runtime, sending, messages)
            if not messages:
                return
        else:
            break
    for way, outcome in outcomes.items():
        if outcome.kind != "sent":
            told = {"way": way, "outcome": outcome.kind, "code": outcome.code, "goes_again": goes_again}
            log.warning("message_not_sent", messages=len(messages), **told)


async def _unchanged(runtime: Runtime, sending: Sending, messages: Sequence[Message]) -> list[Message]:
    """Those that are still ours to record: a job that ended again since has replaced its message."""
    refs = [outbox.outbox_ref(runtime, message.message_id) for message in messages]
    found = {snapshot.id: snapshot async for snapshot in runtime.firestore.get_all(refs, **READ) if snapshot.exists}
    ours = {
        message_id
        for message_id, snapshot in found.items()
        if snapshot.get("status") == SENDING and snapshot.get("sendingId") == sending.sending_id
    }
    return [message for message in messages if message.message_id in ours]


def _status(outcomes: dict[Way, Outcome]) -> str:
    kinds = {outcome.kind for outcome in outcomes.values()}
    for kind, status in (("sent", SENT), ("doubtful", DOUBTFUL)):
        if kind in kinds:
            return status
    # Without a verified address or a device there is no way at all.
    return FAILED


async def _messages(runtime: Runtime, user_id: str, now: datetime) -> tuple[list[Message], list[Message]]:
    """A user's messages that wait, and those that a dead sender left."""
    of_user = runtime.firestore.collection(OUTBOX).where(filter=FieldFilter("userId", "==", user_id))
    waiting = of_user.where(filter=FieldFilter("status", "==", WAITING)).limit(_MOST_MESSAGES)
    sending = of_user.where(filter=FieldFilter("status", "==", SENDING)).limit(_MOST_MESSAGES)
    found = [Message.of(snapshot) for snapshot in await waiting.get(**READ)]
    taken = [Message.of(snapshot) for snapshot in await sending.get(**READ)]
    return found, [message for message in taken if message.update_time < now - _SENDING_FOR]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What becomes of a user's waiting messages now."""

    # What is sent now, as one message to the user; empty for nothing.
    group: Sequence[Message]
    # The user has changed their mind.
    unwanted: Sequence[Message]
    # When to look again; None if nothing is left.
    due_at: datetime | None


def _plan(waiting: Sequence[Message], wanted: MessagePreferences, digest: _Digest, now: datetime) -> _Plan:
    sendable = [
        replace(message, ways=tuple(way for way in message.ways if getattr(wanted, way))) for message in waiting
    ]
    unwanted = [message for message in sendable if not message.ways or message.topic not in wanted.topics]
    rest = [message for message in sendable if message not in unwanted]
    if not rest:
        return _Plan(group=[], unwanted=unwanted, due_at=None)
    quiet_until = wanted.quiet_hours.end_after(now) if wanted.quiet_hours else None
    if quiet_until:
        return _Plan(group=[], unwanted=unwanted, due_at=quiet_until)
    ready = [message for message in rest if message.retry_at is None or message.retry_at <= now]
    retry_at = min((message.retry_at for message in rest if message not in ready and message.retry_at), default=None)
    groups: list[Sequence[Message]] = [[message] for message in ready if message.topic == "bulk"]
    single = [message for message in ready if message.topic == "jobs" and not message.attempts]
    again = [message for message in ready if message.topic == "jobs" and message.attempts]
    digest_at = digest.sent_at + BETWEEN_DIGESTS if digest.sent_at else now
    # What was refused before had its turn in the hour.
    groups += _by_ways(again)
    if digest_at <= now:
        groups += _by_ways(single)
        single = []
    due = [moment for moment in (retry_at, digest_at if single else None, now if groups[1:] else None) if moment]
    return _Plan(group=groups[0] if groups else [], unwanted=unwanted, due_at=min(due, default=None))


def _by_ways(messages: Sequence[Message]) -> list[Sequence[Message]]:
    """The messages that go the same ways, together."""
    groups: dict[tuple[Way, ...], list[Message]] = {}
    for message in messages:
        groups.setdefault(message.ways, []).append(message)
    return list(groups.values())
