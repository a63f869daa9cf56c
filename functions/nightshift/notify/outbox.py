"""The outbox: what is to be told to a user outside the app. Its documents are created in the commit of the end itself.

So a message exists if, and only if, its job or bulk job has ended. The creation of `outbox/{id}.{event}` calls
`deliver_notification`. The same commit says in `digests/{uid}` that the user has something waiting. So a tick finds
what no call has delivered, by one query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.database.collections import DIGESTS, OUTBOX
from nightshift.database.commits import Commit
from nightshift.database.fields import time_or_none
from nightshift.notify.preferences import MessagePreferences, Topic, Way
from nightshift.runtime import Runtime
from nightshift.values.ids import names_a_document
from nightshift.values.usage import count_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot

# The states of a message. A job's id is its client's choice, so none is kept for long.
WAITING: Final = "waiting"
SENDING: Final = "sending"
SENT: Final = "sent"
FAILED: Final = "failed"
# It is not known whether it was sent, so it is not sent again.
DOUBTFUL: Final = "doubtful"
# Its user has changed their mind.
UNWANTED: Final = "unwanted"
KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One end that a user is to hear of."""

    message_id: str
    user_id: str
    topic: Topic
    # What ended: a job's id or a bulk job's, by `topic`.
    subject_id: str
    # As the notification in the app has it.
    event: str
    title: str
    text: str
    language: str
    # The ways that are still to go.
    ways: tuple[Way, ...]
    status: str
    attempts: int
    # Why a way did not work: `smtp_550`, `no_device`.
    codes: Mapping[Way, str]
    # Not before it; None for at once.
    retry_at: datetime | None
    update_time: datetime

    @property
    def is_shared(self) -> bool:
        """Whether it goes together with others: only what was paid for, many rows at once, has its own message."""
        return self.topic == "jobs" or self.event == "bulk_failed"

    @classmethod
    def of(cls, snapshot: "DocumentSnapshot[Any]") -> "Message":
        """The message in a document that the functions wrote."""
        fields = snapshot.to_dict() or {}
        ways, codes = fields.get("ways"), fields.get("codes")
        known: tuple[Way, ...] = ("email", "push")
        return cls(
            message_id=snapshot.id,
            user_id=str(fields.get("userId")),
            topic="bulk" if fields.get("topic") == "bulk" else "jobs",
            subject_id=str(fields.get("subjectId")),
            event=str(fields.get("event")),
            title=str(fields.get("title")),
            text=str(fields.get("message")),
            language=str(fields.get("language")),
            ways=tuple(way for way in known if isinstance(ways, list) and way in ways),
            status=str(fields.get("status")),
            codes={way: str(codes[way]) for way in known if isinstance(codes, Mapping) and way in codes},
            attempts=count_of(fields.get("attempts")),
            retry_at=time_or_none(fields.get("retryAt")),
            update_time=snapshot.update_time,
        )


def outbox_ref(runtime: Runtime, message_id: str) -> "AsyncDocumentReference":
    """Where a message lies."""
    ref: AsyncDocumentReference = runtime.firestore.collection(OUTBOX).document(message_id)
    return ref


def digest_ref(runtime: Runtime, user_id: str) -> "AsyncDocumentReference":
    """Where it is kept when a user was last told, and whether something waits."""
    ref: AsyncDocumentReference = runtime.firestore.collection(DIGESTS).document(user_id)
    return ref


class Outbox:
    """The messages of one commit."""

    def __init__(self, runtime: Runtime, preferences: Mapping[str, MessagePreferences]) -> None:
        self._runtime = runtime
        self._preferences = preferences
        self._users: set[str] = set()

    def write(
        self, writes: Commit, *, user_id: str, topic: Topic, subject_id: str, event: str, title: str, message: str
    ) -> None:
        """Add a message to the commit, if its user wants it: one write, and one for each user.

        Args:
            subject_id: of the job or bulk job, which ends in the same commit and so once.
            event: as `job_completed`.
        """
        preferences = self._preferences.get(user_id, MessagePreferences())
        ways = preferences.ways(self._runtime, topic)
        message_id = f"{subject_id}.{event}"
        # A refused job can have an id that leaves no room.
        if not ways or not names_a_document(message_id):
            return
        now = self._runtime.now()
        # An end that an operator undid, and that came again, has a new message.
        writes.set(
            outbox_ref(self._runtime, message_id),
            {
                "userId": user_id,
                "topic": topic,
                "subjectId": subject_id,
                "event": event,
                "title": title,
                "message": message,
                "language": preferences.language,
                "ways": ways,
                "status": WAITING,
                "attempts": 0,
                "createdAt": SERVER_TIMESTAMP,
                "expireAt": now + KEPT,
            },
        )
        if user_id not in self._users:
            self._users.add(user_id)
            writes.merge(digest_ref(self._runtime, user_id), {"dueAt": now})
