"""Optimistic commits: read, decide, write under preconditions; after any doubtful answer, read again before deciding.

A commit here takes no read lock: it carries preconditions (`create`, or the update time of what was read) and
Firestore applies all of it or nothing. On a hot wallet this is some 500 times faster than a transaction that
reads inside, and it makes a lost answer harmless: the library's own repetition is off, and the caller, told
`Undecided`, reads again. If the commit did land, it finds its own work done; if not, the same commit can land
at most once.

A write that Firestore takes in no repetition (the document would be too large) is another matter: `NeverLands`. The
caller writes something that can land, or the event is dealt with for good and logged (entry.py, duty.py).
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from google.api_core import exceptions
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.api_core.retry import AsyncRetry, if_exception_type

from nightshift.database import encoding
from nightshift.errors import NeverLands, TryLater
from nightshift.runtime import Runtime

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

# A precondition failed: another process wrote first, or our own commit landed and its answer was lost.
_REFUSED: Final = (
    exceptions.AlreadyExists,
    exceptions.FailedPrecondition,
    exceptions.NotFound,
)
# What Firestore says when a commit came that had landed before, which is the one thing that passes among invalid ones.
_LANDED_BEFORE: Final = "invalid or closed"
# Another commit was in the way, or it is not known what became of ours.
PASSING: Final = (
    exceptions.Aborted,
    exceptions.DeadlineExceeded,
    exceptions.ServiceUnavailable,
    exceptions.InternalServerError,
    exceptions.Unknown,
    exceptions.ResourceExhausted,
    exceptions.Cancelled,
)
_COMMIT_SECONDS: Final = 20.0
_ATTEMPTS: Final = 30
_LONGEST_SECONDS: Final = 60.0
_LONGEST_PAUSE_SECONDS: Final = 1.0

# Every read: `timeout` bounds one call, and `retry` all of them together.
READ: Final[dict[str, Any]] = {
    "timeout": 15.0,
    "retry": AsyncRetry(
        predicate=if_exception_type(
            exceptions.Aborted,
            exceptions.ServiceUnavailable,
            exceptions.InternalServerError,
            exceptions.DeadlineExceeded,
            exceptions.ResourceExhausted,
        ),
        initial=0.1,
        maximum=2.0,
        timeout=30.0,
    ),
}
# A stream's, for all that is done between the documents, too. One that lives longer breaks off.
STREAM_SECONDS: Final = 300.0


class Undecided(TryLater):
    """The commit met another writer, or an answer was lost. Read again before deciding."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.already_exists = isinstance(cause, exceptions.AlreadyExists)
        # Whether a precondition failed: the same commit would be refused again.
        self.is_refusal = isinstance(cause, (*_REFUSED, exceptions.InvalidArgument))


class Commit:
    """The writes of one commit: all of them take effect, or none."""

    def __init__(self, runtime: Runtime) -> None:
        self._instance = runtime.instance
        # Their messages.
        self.writes: list[Any] = []

    def create(self, ref: "AsyncDocumentReference", fields: Mapping[str, Any]) -> None:
        """Create a document. The commit fails if there is one."""
        self._add(encoding.create(ref._document_path, fields))

    def set(self, ref: "AsyncDocumentReference", fields: Mapping[str, Any]) -> None:
        """Replace a document, or create it."""
        self._add(encoding.overwrite(ref._document_path, fields))

    def update(self, ref: "AsyncDocumentReference", fields: Mapping[str, Any], read_as_of: datetime) -> None:
        """Change some fields of a document. The commit fails unless `read_as_of` is still its update time."""
        self._add(encoding.update(ref._document_path, fields, read_as_of))

    def replace(self, ref: "AsyncDocumentReference", fields: Mapping[str, Any], read_as_of: datetime) -> None:
        """Leave these fields of a document and no other. The commit fails unless `read_as_of` is its update time."""
        self._add(encoding.replace(ref._document_path, fields, read_as_of))

    def merge(self, ref: "AsyncDocumentReference", fields: Mapping[str, Any]) -> None:
        """Set some fields of a document, whatever it holds now; one that is not there is created."""
        self._add(encoding.merge(ref._document_path, fields))

    def add_up(self, ref: "AsyncDocumentReference", numbers: Mapping[str, int]) -> None:
        """Add to a document's numbers, whatever they are now; one that is not there is created."""
        self._add(encoding.add_up(ref._document_path, numbers))

    def delete(self, ref: "AsyncDocumentReference") -> None:
        """Delete a document, if there is one."""
        self._add(encoding.delete(ref._document_path))

    async def send(self) -> datetime:
        """Send the commit once; returns the update time of all that it changed. Raises Undecided or NeverLands."""
        try:
            last = await self._instance.firestore_calls.commit(self.writes, _COMMIT_SECONDS)
        except (*_REFUSED, *PASSING) as error:
            raise Undecided(error) from error
        except exceptions.InvalidArgument as error:
            # The text names documents, so it goes no further.
            raise Undecided(error) if _LANDED_BEFORE in str(error) else NeverLands(type(error).__name__) from None
        update_time: datetime = DatetimeWithNanoseconds.from_timestamp_pb(last.update_time)
        return update_time

    async def send_joined(self) -> datetime:
        """The same, perhaps in one call with commits of other jobs (joined_commits.py).

        Each write needs a precondition that its own landing breaks, or stands beside one that has it.
        """
        return await self._instance.joined_commits.ask(self)

    @property
    def documents(self) -> frozenset[str]:
        """The full names of the documents that it touches."""
        return frozenset(write.delete or write.update.name for write in self.writes)

    @property
    def bytes(self) -> int:
        """The size of its message."""
        return sum(write.ByteSize() for write in self.writes)

    def _add(self, write: Any) -> None:
        self.writes.append(write)


async def attempts() -> AsyncIterator[int]:
    """Numbers from 0, with growing random pauses between them; raises TryLater after the last, or a minute."""
    ends_at = time.monotonic() + _LONGEST_SECONDS
    for number in range(_ATTEMPTS):
        if time.monotonic() > ends_at:
            break
        if number:
            longest = min(_LONGEST_PAUSE_SECONDS, 0.01 * 2**number)
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - jitter is no secret
        yield number
    raise TryLater("too many writers at once")
