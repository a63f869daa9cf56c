"""What Nightshift needs of a provider: its batch lane, and its answers in real time.

The provider is authoritative for whether a batch exists; Firestore for whether we meant it to. A provider's own
words for its states stop at this door.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final, Protocol

from nightshift.errors import NightshiftError, TryLater
from nightshift.providers.request import Request
from nightshift.providers.result_line import ResultLine
from nightshift.providers.traits import Traits
from nightshift.values.outcome import Outcome
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage

# A server, or one on the way to it, lost patience.
TIMED_OUT: Final = frozenset({408, 504, 524})
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def loggable_code(code: str) -> str:
    """A provider's code as it may be logged: a code is a single word, and anything longer could quote a request."""
    return code if _WORD.fullmatch(code) else "unreadable"


@dataclass(frozen=True, kw_only=True)
class RateLimits:
    """What the provider says of how much it takes, with an answer in real time; None where it says nothing.

    https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """

    # In a minute, by the account and model.
    requests: int | None = None
    tokens: int | None = None
    remaining_requests: int | None = None
    remaining_tokens: int | None = None
    # Until all of them are there again.
    requests_reset_seconds: float | None = None
    tokens_reset_seconds: float | None = None


NOTHING_SAID: Final = RateLimits()


class ProviderTrouble(TryLater):
    """The provider did not answer, or not now."""

    # What kind of trouble it is.
    trouble = Trouble.PROVIDER
    # Whether the call may still take effect, since its answer is missing.
    may_still_act = True
    # When it wants to be asked again, if it said so.
    retry_after_seconds: float | None = None
    # The HTTP status with which it answered, if it did.
    status: int | None = None


class ProviderLate(ProviderTrouble):
    """The time was up before the provider answered."""


class ProviderBusy(ProviderTrouble):
    """The provider answered that it would not do it now. Some do it all the same, but not later."""

    may_still_act = False


class ProviderRateLimited(ProviderBusy):
    """The provider was asked too often."""

    limits: RateLimits = NOTHING_SAID


class ProviderLocked(ProviderTrouble):
    """The account's trouble: a wrong key, no permission, no credit, a full storage, a model that is not there.

    It passes when the operator acts.
    """

    trouble = Trouble.LOCKED
    may_still_act = False
    needs_operator = True


class ProviderMissing(ProviderLocked):
    """This deployment has no key for the provider, or this version does not know it. The message says which."""


class ProviderRefusal(NightshiftError):
    """The provider looked at it and will not do it. `code` and `message` are its own words, for operators only."""

    def __init__(self, code: str, message: str, trouble: Trouble) -> None:
        super().__init__(loggable_code(code))
        self.code = code
        self.message = message
        # What it means for the jobs: only a known set of them is final.
        self.trouble = trouble


class ProviderGone(NightshiftError):
    """The provider has no such file or batch (any more)."""


class SignatureInvalid(NightshiftError):
    """Nothing proves that an event comes from the provider: its signature is missing, wrong or too old."""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A batch that is to be created."""

    # Our own id of it: its stamp, where the provider keeps one.
    batch_id: str
    endpoint: str
    model: str
    # How many requests its input holds.
    requests: int
    # What the upload of its input gave; None where its requests go in with its creation.
    input_file_id: str | None


@dataclass(frozen=True, kw_only=True)
class RemoteBatch:
    """A batch as the provider has it."""

    remote_id: str
    # The batch id that we stamped on it; None on a batch that is not ours, and where a provider keeps no stamp.
    batch_id: str | None
    # How many requests it holds; None where the provider does not say.
    requests: int | None
    # None when the provider does not say.
    created_at: datetime | None
    # None until the provider is done with it, one way or another.
    outcome: Outcome | None
    # Where its results are, and what they are deleted by: what the adapter needs to find them again. It need be no
    # file: of some providers it is the batch itself.
    output_file_id: str | None
    error_file_id: str | None
    # Answered requests, as the provider counts them; None where it does not say.
    completed: int | None
    usage: Usage | None
    # The provider's own words for why it failed.
    error_code: str | None
    error_message: str
    # What they mean; None on a batch that has not failed.
    trouble: Trouble | None
    # Whether it has been told to stop.
    is_cancelling: bool


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file at the provider."""

    file_id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """Where a provider's event tells us to look. What it says of it is not kept: it may be late, repeated or wrong."""

    # The same whenever the event is sent again.
    event_id: str
    # The batch that is said to have ended; None on an event about anything else.
    remote_id: str | None


@dataclass(frozen=True, kw_only=True)
class RealtimeAnswer:
    """What the provider answered in real time, as a batch would have said it, and what it says of its limits."""

    line: ResultLine
    limits: RateLimits


class RealtimeProvider(Protocol):
    """A provider's answers in real time."""

    async def answer(self, request: Request, timeout_seconds: float) -> RealtimeAnswer:
        """Ask for one answer, once.

        What the provider says of this one request is in the answer's line, its refusal too.

        Raises:
            ProviderRateLimited, ProviderLocked, ProviderTrouble: the request was not judged.
        """
        ...


class BatchProvider(Protocol):
    """A provider's batch lane. Every call raises ProviderTrouble for what may pass, and says below what else."""

    # As lanes and documents have it.
    name: str
    traits: Traits

    def request_line(self, request: Request) -> bytes:
        """The line of the input file that asks for this answer, without its newline."""
        ...

    def read_line(self, line: bytes) -> ResultLine | None:
        """A line in the provider's own format; None for one that names no job of ours. Raises nothing."""
        ...

    async def upload(self, batch_id: str, content: IO[bytes]) -> str:
        """Upload a batch's input file, streamed; returns its id. Sent once. Raises ProviderRefusal for the file.

        Only of a provider whose traits say that it takes files.
        """
        ...

    async def create(self, intent: Intent, content: IO[bytes] | None) -> RemoteBatch:
        """Create the batch, stamped with our id where the traits say so. Sent once.

        Args:
            content: our lines, where the traits say that they go in with the creation; they are streamed.

        Raises ProviderRefusal, and ProviderGone for the file.
        """
        ...

    def batches(self) -> AsyncIterator[RemoteBatch]:
        """All batches of the account, page by page as they are asked for, in the order that the traits say."""
        ...

    async def retrieve(self, remote_id: str) -> RemoteBatch:
        """One batch. Raises ProviderGone."""
        ...

    async def cancel(self, remote_id: str) -> None:
        """Tell a batch to stop; one that has ended, or is gone, is left as it is."""
        ...

    def results(self, source: str) -> AsyncIterator[bytes]:
        """A batch's results as our own lines, streamed whole, some whole lines at a time (`result_line.as_our_lines`).

        The same source gives the same bytes. A broken stream is resumed, a short one is ProviderTrouble.

        Raises ProviderGone.
        """
        ...

    def input_files(self) -> AsyncIterator[RemoteFile]:
        """All input files of the account, page by page as they are asked for; none where there are no files."""
        ...

    async def delete_file(self, file_id: str) -> bool:
        """Delete an input file, or the source of results. Returns False if there was none any more."""
        ...


class Provider(BatchProvider, RealtimeProvider, Protocol):
    """A provider that offers both."""
