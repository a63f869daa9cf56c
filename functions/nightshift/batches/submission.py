"""Whether batches are submitted now: an admin may stop that, and NIGHTSHIFT_SUBMIT_AT may leave it to some hours.

What is held back is the making of new batches of queued jobs, and nothing else. Open batches go on, also one that was
begun a moment before. They are polled, ingested, settled and refunded. Deadlines are kept, since jobs near theirs are
taken out of the queue in real time; instant jobs never wait here. An operator's order to submit is not held back.

The switch is one document, `scheduler/submission`. A tick and an order read it. An instance's triggers read it at most
once a minute, so a stop reaches them within that time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import SCHEDULER
from nightshift.database.commits import READ, Commit, Undecided, attempts
from nightshift.database.fields import time_or_none
from nightshift.runtime import Runtime

_DOCUMENT: Final = "submission"
_REMEMBERED: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Whether batches are submitted, and if not, why."""

    # By an admin or an operator; then `changed_by` says by which.
    is_stopped: bool
    changed_at: datetime | None
    changed_by: str | None
    # When the window opens next; None = it is open, or no window is set.
    opens_at: datetime | None

    @property
    def held_by(self) -> Literal["stopped", "window"] | None:
        """What holds submission back; None = nothing."""
        if self.is_stopped:
            return "stopped"
        return "window" if self.opens_at else None


async def read(runtime: Runtime) -> Submission:
    """Whether batches are submitted now. One read."""
    ref = runtime.firestore.collection(SCHEDULER).document(_DOCUMENT)
    fields: dict[str, Any] = (await ref.get(**READ)).to_dict() or {}
    window, now = runtime.settings.submit_at, runtime.now()
    is_stopped, changed_by = fields.get("isStopped") is True, fields.get("changedBy")
    runtime.instance.submission_stopped = (is_stopped, now + _REMEMBERED)
    return Submission(
        is_stopped=is_stopped,
        changed_at=time_or_none(fields.get("changedAt")),
        changed_by=changed_by if isinstance(changed_by, str) else None,
        opens_at=window.next_opening(now) if window and not window.is_open(now) else None,
    )


async def is_held_back(runtime: Runtime, *, may_be_remembered: bool) -> bool:
    """Whether no new batch may be made now.

    Args:
        may_be_remembered: what this instance read within the last minute will do.
    """
    window, now = runtime.settings.submit_at, runtime.now()
    if window and not window.is_open(now):
        return True
    remembered = runtime.instance.submission_stopped
    if may_be_remembered and remembered and now < remembered[1]:
        return remembered[0]
    return (await read(runtime)).is_stopped


async def switch(runtime: Runtime, *, is_stopped: bool, by: str) -> Submission:
    """Stop submission, or start it again; twice is as good as once. `by` is the admin's uid, or `operator`."""
    ref = runtime.firestore.collection(SCHEDULER).document(_DOCUMENT)
    async for _ in attempts():
        commit = Commit(runtime)
        commit.set(ref, {"isStopped": is_stopped, "changedBy": by, "changedAt": SERVER_TIMESTAMP})
        try:
            await commit.send()
        except Undecided:
            continue
        break
    return await read(runtime)
