"""What is kept of a user's messages, in `digests/{uid}`: when the user was last told, and when to look again."""

from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import DELETE_FIELD

from nightshift.database.commits import READ, Commit
from nightshift.database.fields import time_or_none
from nightshift.notify.outbox import digest_ref
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference, DocumentSnapshot


@dataclass(frozen=True, kw_only=True)
class Digest:
    """A user's digest, as it was read."""

    ref: "AsyncDocumentReference"
    # When messages of single jobs were last sent; None before.
    sent_at: datetime | None
    # None where nothing waits, as far as it is known.
    due_at: datetime | None
    # By which an address may be taken off without signing in.
    unsubscribe_key: str
    update_time: datetime | None

    @classmethod
    def of(cls, snapshot: "DocumentSnapshot[Any]") -> "Digest":
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


async def read_digest(runtime: Runtime, user_id: str) -> Digest:
    """A user's digest. One read."""
    return Digest.of(await digest_ref(runtime, user_id).get(**READ))
