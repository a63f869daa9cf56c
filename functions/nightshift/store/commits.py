"""Optimistic commits: read, decide, write under preconditions; after any doubtful answer, read again before deciding.

A commit here takes no read lock: it carries preconditions (`create`, or the update time of what was read) and
Firestore applies all of it or nothing. On a hot wallet this is some 500 times faster than a transaction that
reads inside, and it makes a lost answer harmless: the library's own repetition is off, and the caller, told
`Undecided`, reads again. If the commit did land, it finds its own work done; if not, the same commit can land
at most once.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from google.api_core import exceptions
from google.api_core.retry import AsyncRetry, if_exception_type

from nightshift.model.errors import TryLater

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncWriteBatch

# A precondition failed: somebody else was faster, or our own lost answer was.
_REFUSED: Final = (
    exceptions.AlreadyExists,
    exceptions.FailedPrecondition,
    exceptions.NotFound,
    exceptions.InvalidArgument,
)
# Somebody else was at it, or nobody knows.
_UNKNOWN: Final = (
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


class Undecided(TryLater):
    """The commit met another writer, or its answer was lost. Read again before deciding."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(type(cause).__name__)
        self.already_exists = isinstance(cause, exceptions.AlreadyExists)
        # Whether a precondition failed: the same commit would be refused again.
        self.is_refusal = isinstance(cause, _REFUSED)


async def commit(batch: "AsyncWriteBatch") -> list[Any]:
    """Send the commit once and return its write results. Raises Undecided."""
    try:
        return list(await batch.commit(retry=None, timeout=_COMMIT_SECONDS))
    except (*_REFUSED, *_UNKNOWN) as error:
        raise Undecided(error) from error


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
