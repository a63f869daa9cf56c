"""The documents of a job's end: `classifications/{jobId}` and `notifications/{jobId}`, and whose they are.

They outlive their job, and a job's id is its client's choice. So when a job has expired, another user can write one
under its id. The documents that are there belong to the first user and stay as they are. Those of the second lie beside
them, under an id that no client can choose for a job.

In the good case this costs nothing: the documents are created, and only a create that fails leads to a look.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from nightshift.database.collections import CLASSIFICATIONS, NOTIFICATIONS
from nightshift.database.commits import Commit
from nightshift.database.reads import read_each
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

COLLECTIONS: Final = (CLASSIFICATIONS, NOTIFICATIONS)


def id_beside(job_id: str, user_id: str) -> str:
    """The id of a document whose place is taken by another user's. A job's id has no full stop."""
    return f"{sha256(f'{user_id}/{job_id}'.encode()).hexdigest()}.{len(job_id)}"


class Ends:
    """The documents of some jobs' ends, as far as it is known which of them are there."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._collections = {name: runtime.firestore.collection(name) for name in COLLECTIONS}
        # The user whose document lies in a collection under an id; None for one that names no user.
        self._owners: dict[tuple[str, str], Any] = {}

    async def look(self, job_ids: Iterable[str]) -> bool:
        """Read whose documents lie where those of these jobs belong; returns whether that was not known before."""
        refs = [self._collections[name].document(job_id) for job_id in job_ids for name in COLLECTIONS]
        snapshots = await read_each(self._runtime, refs, ["userId"])
        found = {(each.reference.parent.id, each.id): (each.to_dict() or {}).get("userId") for each in snapshots}
        is_news = not found.keys() <= self._owners.keys()
        self._owners |= found
        return is_news

    def place(self, collection: str, job_id: str, user_id: str) -> "AsyncDocumentReference":
        """Where the document of this user's job lies, or will."""
        is_taken = self._owners.get((collection, job_id), user_id) != user_id
        return self._collections[collection].document(id_beside(job_id, user_id) if is_taken else job_id)

    def take_back(self, commit: Commit, collection: str, job_id: str, user_id: str) -> None:
        """Delete such a document, if there is one."""
        commit.delete(self.place(collection, job_id, user_id))

    def create(self, commit: Commit, collection: str, job_id: str, user_id: str, fields: Mapping[str, Any]) -> None:
        """Add such a document to a commit, which fails if there is one."""
        commit.create(self.place(collection, job_id, user_id), fields)

    def write(self, commit: Commit, collection: str, job_id: str, user_id: str, fields: Mapping[str, Any]) -> None:
        """Add such a document to a commit, which fails if there is one that is not known of yet."""
        ref = self.place(collection, job_id, user_id)
        if ref.id == job_id and (collection, job_id) not in self._owners:
            commit.create(ref, fields)
        else:
            # The user's own: of an earlier job under this id, or of an end that an operator undid.
            commit.set(ref, fields)
