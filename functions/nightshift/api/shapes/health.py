"""Whether the night goes on."""

from typing import Literal

from pydantic import Field

from nightshift.api.shapes.common import ApiModel, Time, example


class Health(ApiModel):
    """`status` is public; what follows it is for admins."""

    status: Literal["ok"] = "ok"
    lastTickAt: Time | None = Field(None, description="When a tick last came to its end; none yet: left out.")
    tickAgeSeconds: float | None = None
    dutiesFailed: int | None = Field(None, description="Of that tick.")
    queued: int | None = Field(None, description="Jobs that waited for a batch at its end.")
    oldestQueuedSeconds: float | None = None
    openBatches: int | None = None
    oldestBatchSeconds: float | None = None

    model_config = example(
        status="ok",
        lastTickAt="2026-11-28T10:30:04.512Z",
        tickAgeSeconds=212.4,
        dutiesFailed=0,
        queued=312,
        oldestQueuedSeconds=48.1,
        openBatches=2,
        oldestBatchSeconds=5021.7,
    )
