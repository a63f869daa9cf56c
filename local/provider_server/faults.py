"""What can be made to go wrong, as plain values that are armed and then used up.

- `RequestFault`: one HTTP request is refused, cut, cut short or delayed (carried out by `fault_layer.py`).
- `ReplyRule`: one line, or one direct chat completion, gets a scripted `Reply`.
- `BatchFault`: the next batch that is created fails, hides or lies about itself.
- `FileFault`: the next upload is invisible for a while.

    server.faults.add(RequestFault("POST", r"/v1/batches", when="after", reset=True))
    server.faults.add(ReplyRule(Reply.refuses("no"), custom_id=r"job-7"))
    server.faults.add(BatchFault(fail_code="token_limit_exceeded"))
    server.faults.add(FileFault(hidden_reads=2))

Each holds `times` times; `times=None` means until `server.faults.clear()`. Of several that match, the first
armed wins. The same values are armed over HTTP by `control.py`.
"""

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import ConfigDict

from local.provider_server.reply import Reply

FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class RequestFault:
    """One request goes wrong.

    `when="before"`: it has no effect; `"after"`: it takes effect and its real answer is lost. What the
    client sees is the first that is set of: a connection cut without an answer (`reset`); the real answer
    cut after `truncate_at` body bytes (with `clean`, its length is adjusted, so that nothing seems to be
    missing); an answer with `status`, `headers` and `body` (the API's error object by default). With
    `status=None` nothing is wrong but `delay_seconds`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    method: str
    path: str  # a regular expression that matches the whole path, e.g. r"/v1/files/[^/]+/content"
    when: Literal["before", "after"] = "before"
    status: int | None = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    reset: bool = False
    truncate_at: int | None = None
    clean: bool = False
    delay_seconds: float = 0
    times: int | None = 1


@dataclass(frozen=True)
class ReplyRule:
    """Requests whose custom_id matches (whole) and whose user text contains `text` get `reply`.

    A direct chat completion has no custom_id: only a rule without one applies to it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    reply: Reply
    custom_id: str | None = None  # a regular expression
    text: str | None = None  # a regular expression
    times: int | None = 1


@dataclass(frozen=True, kw_only=True)
class BatchFault:
    """The next batch that is created misbehaves; several settings may be combined."""

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    # Validation ends in `failed` with this code in errors.data.
    fail_code: str | None = None
    fail_message: str = "This failure was scripted."
    # The terminal batch shows no output_file_id in its first so many reads (a listing counts as one).
    output_id_late_reads: int = 0
    # error_file_id is "" instead of absent.
    empty_error_file_id: bool = False
    # The batch is missing from the first so many listings.
    hidden_listings: int = 0
    # Once a terminal status has been read, so many reads show `in_progress` again.
    regressed_reads: int = 0
    times: int | None = 1


@dataclass(frozen=True, kw_only=True)
class FileFault:
    """The next upload gets its id, but is unknown (404) to its first `hidden_reads` uses; a listing counts as one."""

    __pydantic_config__: ClassVar[ConfigDict] = FORBID

    hidden_reads: int
    times: int | None = 1


Fault = RequestFault | ReplyRule | BatchFault | FileFault
Kind = TypeVar("Kind", bound=Fault)


@dataclass
class _Armed:
    fault: Fault
    left: int | None


class Faults:
    """The faults that are armed, in the order in which they were added."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, *faults: Fault) -> None:
        """Arm faults."""
        self._armed.extend(_Armed(fault, fault.times) for fault in faults)

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    @property
    def pending(self) -> list[Fault]:
        """What is armed and not used up: a test can assert that its fault really struck."""
        return [armed.fault for armed in self._armed]

    def take_request(self, method: str, path: str) -> RequestFault | None:
        """Use up the fault of this request, if there is one."""
        for armed in self._armed:
            fault = armed.fault
            if (
                isinstance(fault, RequestFault)
                and fault.method.upper() in (method, "*")
                and re.fullmatch(fault.path, path)
            ):
                return self._use(armed, fault)
        return None

    def take_reply(self, custom_id: str | None, text: str) -> Reply | None:
        """Use up the rule of this line, if there is one."""
        for armed in self._armed:
            rule = armed.fault
            if not isinstance(rule, ReplyRule):
                continue
            if rule.custom_id is not None and not (custom_id and re.fullmatch(rule.custom_id, custom_id)):
                continue
            if rule.text is None or re.search(rule.text, text):
                return self._use(armed, rule).reply
        return None

    def take_batch(self) -> BatchFault | None:
        """Use up the fault of a batch that is being created."""
        return self._take(BatchFault)

    def take_file(self) -> FileFault | None:
        """Use up the fault of a file that is being uploaded."""
        return self._take(FileFault)

    def _take(self, kind: type[Kind]) -> Kind | None:
        for armed in self._armed:
            if isinstance(armed.fault, kind):
                return self._use(armed, armed.fault)
        return None

    def _use(self, armed: _Armed, fault: Kind) -> Kind:
        if armed.left is not None:
            armed.left -= 1
            if armed.left <= 0:
                self._armed.remove(armed)
        return fault
