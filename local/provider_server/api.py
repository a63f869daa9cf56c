"""Where the servers differ: one provider's words for what all of them do."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from local.provider_server.batches import Batch, BatchError, Seen
from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.reply import FinishReason

LINES_PER_TURN = 20
ResultFile = Literal["output", "errors"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a request asks, whichever API it came by."""

    model: str
    # The user's words; and all that the answer depends on.
    text: str
    seed: str
    # What the answer has to be an instance of; without one, the answer is `plain`.
    schema: JsonObject | None = None
    plain: str = ""
    most_tokens: int | None = None
    # The whole body of the response, where no model says anything: a text's vector.
    computed: JsonObject | None = None
    # The request as it came.
    body: JsonObject


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the model says: a dict is sent as JSON text."""

    content: str | JsonObject | None = None
    refusal: str | None = None
    finish_reason: FinishReason = "stop"
    # What of the usage is stated instead of the estimate.
    usage: JsonObject | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response (`status` and `body`), or a line error without one, or nothing at all (`missing`)."""

    status: int | None = None
    body: JsonObject = field(default_factory=dict)
    error_code: str | None = None
    error_message: str = ""
    missing: bool = False
    copies: int = 1


@dataclass
class InputCheck:
    """What validation found; the batch fails if there are errors."""

    errors: list[BatchError]
    total: int = 0
    model: str | None = None


class Api(Protocol):
    """One provider's API."""

    # Under which paths it lies; what comes there is recorded, and may be struck by a fault.
    paths: tuple[str, ...]

    def error_body(self, error: ApiError) -> JsonObject:
        """The body of a refusal."""
        ...

    def question(self, body: Any, endpoint: str) -> Question:
        """What a request asks at an endpoint of the API. Raises ApiError if the API would refuse it."""
        ...

    def completion(self, question: Question, said: Said) -> JsonObject:
        """The body of a response."""
        ...

    def tokens_of(self, question: Question, content: str) -> int:
        """The output tokens that a content is counted for."""
        ...

    async def check(self, lines: Iterable[bytes], batch: Batch, max_requests: int) -> InputCheck:
        """Read a batch's input once."""
        ...

    def request_of(self, line: bytes) -> tuple[str, Any]:
        """The id and the body of a line that was checked."""
        ...

    def result_line(self, custom_id: str, answer: Answer) -> tuple[ResultFile, bytes]:
        """The line of an answer, and the file in which it stands."""
        ...

    def left_line(self, custom_id: str, ending: str) -> tuple[ResultFile, bytes] | None:
        """The line of a request that a batch ended before, by expiry or cancellation; None if it has none."""
        ...

    def count(self, batch: Batch, body: JsonObject) -> None:
        """Add a response's usage to its batch's."""
        ...

    def show(self, batch: Batch, seen: Seen) -> JsonObject:
        """The batch as a client sees it."""
        ...
