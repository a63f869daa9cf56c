"""What came of a sending, on record: what was sent, what goes again and when, what never will, what is in doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from google.cloud.firestore import DELETE_FIELD

from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.notify import mail
from nightshift.notify.digest import read_digest
from nightshift.notify.outbox import DOUBTFUL, FAILED, SENDING, SENT, WAITING, Message, outbox_ref
from nightshift.notify.preferences import Way
from nightshift.notify.sending import Outcome, Sending
from nightshift.runtime import Runtime

log = structlog.get_logger()

_FIRST_PAUSE: Final = timedelta(minutes=2)
_LONGEST_PAUSE: Final = timedelta(hours=4)
# With these pauses, a day.
_MOST_ATTEMPTS: Final = 12


async def record(
    runtime: Runtime,
    sending: Sending,
    outcomes: Mapping[Way, Outcome],
    *,
    taken_at: datetime,
    due_at: datetime | None,
) -> None:
    """Record what came of a sending. What was refused waits again, and goes only the ways that refused it.

    Args:
        taken_at: the update time of the commit that took its messages.
        due_at: when what was not taken is due.

    Raises:
        TryLater: it is not known whether it is on record. Later its messages count as doubtful.
    """
    refused: list[Way] = [way for way, outcome in outcomes.items() if outcome.kind == "refused"]
    attempts_made = max(message.attempts for message in sending.messages) + 1
    goes_again = bool(refused) and attempts_made < _MOST_ATTEMPTS
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempts_made - 1))
    retry_at = runtime.now() + pause if goes_again else None
    codes: dict[Way, str] = {way: outcome.code for way, outcome in outcomes.items() if outcome.code}
    messages = [replace(message, update_time=taken_at) for message in sending.messages]
    async for _ in attempts():
        commit = Commit(runtime)
        digest = await read_digest(runtime, sending.user_id)
        for message in messages:
            if goes_again:
                ref = outbox_ref(runtime, message.message_id)
                again = {"status": WAITING, "ways": refused, "retryAt": retry_at, "codes": codes}
                commit.update(ref, again, read_as_of=message.update_time)
            else:
                end(runtime, commit, message, _status(outcomes), codes)
        if mailed := outcomes.get("email"):
            mail.record(runtime, commit, sending, mailed)
        # Whatever ended meanwhile has made it due at once.
        is_ours = digest.due_at is None or digest.due_at > runtime.now()
        due = [moment for moment in (due_at, retry_at) if moment]
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
    refs = [outbox_ref(runtime, message.message_id) for message in messages]
    found = {snapshot.id: snapshot async for snapshot in runtime.firestore.get_all(refs, **READ) if snapshot.exists}
    ours = {
        message_id
        for message_id, snapshot in found.items()
        if snapshot.get("status") == SENDING and snapshot.get("sendingId") == sending.sending_id
    }
    return [message for message in messages if message.message_id in ours]


def _status(outcomes: Mapping[Way, Outcome]) -> str:
    kinds = {outcome.kind for outcome in outcomes.values()}
    for kind, status in (("sent", SENT), ("doubtful", DOUBTFUL)):
        if kind in kinds:
            return status
    # Without a verified address or a device there is no way at all.
    return FAILED


def end(runtime: Runtime, commit: Commit, message: Message, status: str, codes: Mapping[Way, str]) -> None:
    """Add a message's last state to a commit, under the update time at which it was read."""
    fields = {"status": status, "ways": [], "retryAt": DELETE_FIELD, **({"codes": dict(codes)} if codes else {})}
    commit.update(outbox_ref(runtime, message.message_id), fields, read_as_of=message.update_time)
