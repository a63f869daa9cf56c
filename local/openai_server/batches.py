"""The batches and what a client is shown of them.

A `Batch` has the API's field names, and beside them what the run needs to know: how it is to end early, and
which faults it was created with. `BatchStore.show` is the only way out to a client: it leaves out what is
not set, as the published schema wants it (no null where it says string), and applies the faults that make a
batch lie about itself.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Literal

from local.openai_server.errors import ApiError, JsonObject
from local.openai_server.faults import BatchFault

Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
Ending = Literal["cancelled", "expired", "failed"]
TERMINAL = ("failed", "completed", "expired", "cancelled")
WINDOW_SECONDS = 24 * 3600
# Seconds since 1970.
Clock = Callable[[], float]


@dataclass(frozen=True)
class BatchError:
    """One entry of `errors.data`; `line` is 1-based."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass
class RequestCounts:
    """`completed` counts lines with a response below 400; expired and cancelled lines are in neither."""

    total: int = 0
    completed: int = 0
    failed: int = 0


@dataclass
class Usage:
    """Tokens of all responses of a batch."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def add(self, usage: JsonObject) -> None:
        """Add the usage of one chat completion."""
        self.input_tokens += usage.get("prompt_tokens", 0)
        self.output_tokens += usage.get("completion_tokens", 0)
        self.cached_tokens += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        self.reasoning_tokens += (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0

    def as_json(self) -> JsonObject:
        """The API's usage object of a batch."""
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_tokens},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


@dataclass(kw_only=True)
class Batch:
    """One batch; fields down to `metadata` are the API's."""

    id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    created_at: int
    expires_at: int
    metadata: dict[str, str] | None
    model: str | None = None
    status: Status = "validating"
    errors: list[BatchError] = field(default_factory=list)
    output_file_id: str | None = None
    error_file_id: str | None = None
    in_progress_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: RequestCounts = field(default_factory=RequestCounts)
    usage: Usage = field(default_factory=Usage)

    output_expires_after_seconds: int | None = None
    now: Clock = time.time
    # How the run is to end early, and how many lines it answers before; set from outside, read by the run.
    ending: Ending | None = None
    answer_first: int = 0
    # Whether a hold keeps it, how many lines are being answered, and the call to look again.
    held: bool = False
    answering: int = 0
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    fault: BatchFault = field(default_factory=BatchFault)
    output_id_late_reads: int = 0
    hidden_listings: int = 0
    regressed_reads: int | None = None

    def move(self, status: Status) -> None:
        """Enter a status and note the time, as the API does for all but the first."""
        self.status = status
        setattr(self, f"{status}_at", int(self.now()))

    def as_json(self) -> JsonObject:
        """The API's batch object, as it truly is."""
        answer: JsonObject = {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "input_file_id": self.input_file_id,
            "completion_window": self.completion_window,
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "in_progress_at": self.in_progress_at,
            "expires_at": self.expires_at,
            "finalizing_at": self.finalizing_at,
            "completed_at": self.completed_at,
            "failed_at": self.failed_at,
            "expired_at": self.expired_at,
            "cancelling_at": self.cancelling_at,
            "cancelled_at": self.cancelled_at,
            "request_counts": asdict(self.request_counts),
            "usage": self.usage.as_json(),
        }
        if self.errors:
            answer["errors"] = {"object": "list", "data": [asdict(error) for error in self.errors]}
        answer = {name: known for name, known in answer.items() if known is not None}
        answer["metadata"] = self.metadata
        return answer


class BatchStore:
    """All batches by id, oldest first."""

    def __init__(self, now: Clock) -> None:
        self._batches: dict[str, Batch] = {}
        self._now = now

    @property
    def view(self) -> Mapping[str, Batch]:
        """The batches as they are now, read-only."""
        return MappingProxyType(self._batches)

    def create(
        self,
        *,
        input_file_id: str,
        endpoint: str,
        completion_window: str,
        metadata: dict[str, str] | None,
        output_expires_after_seconds: int | None,
        fault: BatchFault | None,
    ) -> Batch:
        """Store a batch in its first status."""
        now = int(self._now())
        fault = fault or BatchFault()
        batch = Batch(
            id=f"batch_{secrets.token_hex(12)}",
            endpoint=endpoint,
            input_file_id=input_file_id,
            completion_window=completion_window,
            created_at=now,
            expires_at=now + WINDOW_SECONDS,
            metadata=metadata,
            output_expires_after_seconds=output_expires_after_seconds,
            now=self._now,
            fault=fault,
            output_id_late_reads=fault.output_id_late_reads,
            hidden_listings=fault.hidden_listings,
        )
        self._batches[batch.id] = batch
        return batch

    def get(self, batch_id: str) -> Batch:
        """Return a batch; 404 if it is unknown."""
        batch = self._batches.get(batch_id)
        if batch is None:
            raise ApiError(404, f"No batch found with id '{batch_id}'.", param="id")
        return batch

    def listing(self) -> list[Batch]:
        """The batches that this listing shows, newest first."""
        shown = []
        for batch in reversed(self._batches.values()):
            if batch.hidden_listings > 0:
                batch.hidden_listings -= 1
            else:
                shown.append(batch)
        return shown

    def show(self, batch: Batch) -> JsonObject:
        """What one read of the batch answers, with the lies that its fault asks for."""
        answer = batch.as_json()
        if batch.status not in TERMINAL:
            return answer
        if batch.regressed_reads is None:
            batch.regressed_reads = batch.fault.regressed_reads
        elif batch.regressed_reads > 0:
            batch.regressed_reads -= 1
            late = ("output_file_id", "error_file_id", "finalizing_at", f"{batch.status}_at")
            return {name: kept for name, kept in answer.items() if name not in late} | {"status": "in_progress"}
        if batch.output_id_late_reads > 0:
            batch.output_id_late_reads -= 1
            answer.pop("output_file_id", None)
        if batch.fault.empty_error_file_id and not batch.error_file_id:
            answer["error_file_id"] = ""
        return answer
