"""Where a job is."""

from typing import Final, Literal

Status = Literal["created", "queued", "processing", "completed", "failed", "cancelled"]
CREATED: Final = "created"
QUEUED: Final = "queued"
PROCESSING: Final = "processing"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
STATUSES: Final[tuple[Status, ...]] = (CREATED, QUEUED, PROCESSING, COMPLETED, FAILED, CANCELLED)
