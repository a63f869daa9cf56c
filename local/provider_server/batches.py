"""The batches and what a client is shown of them.

A `Batch` has OpenAI's field names, which fit the others as well, and beside them what the run needs to know: how it is
to end early, and which faults it was created with. How a client sees it is the provider's api. `Batch.see` says
what one read shows, with the faults that make a batch lie about itself.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from local.provider_server.errors import ApiError, JsonObject
from local.provider_server.faults import BatchFault

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
    expired: int = 0
    cancelled: int = 0


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

    def see(self) -> "Seen":
        """What one read shows of it, with the lies that its fault asks for."""
        if self.status not in TERMINAL:
            return Seen()
        if self.regressed_reads is None:
            self.regressed_reads = self.fault.regressed_reads
        elif self.regressed_reads > 0:
            self.regressed_reads -= 1
            return Seen(is_regressed=True)
        if self.output_id_late_reads > 0:
            self.output_id_late_reads -= 1
            return Seen(shows_output=False)
        return Seen()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a read shows of a batch: the truth, unless a fault lies."""

    # It still seems to be under way.
    is_regressed: bool = False
    # It says where its output is.
    shows_output: bool = True


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
        batch_id: str | None = None,
    ) -> Batch:
        """Store a batch in its first status."""
        now = int(self._now())
        fault = fault or BatchFault()
        batch = Batch(
            id=batch_id or f"batch_{secrets.token_hex(12)}",
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

    def delete(self, batch_id: str) -> None:
        """Forget a batch."""
        del self._batches[batch_id]

    def listing(self) -> list[Batch]:
        """The batches that this listing shows, newest first."""
        shown = []
        for batch in reversed(self._batches.values()):
            if batch.hidden_listings > 0:
                batch.hidden_listings -= 1
            else:
                shown.append(batch)
        return shown
