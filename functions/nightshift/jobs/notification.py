"""What the app shows to a user about an ended job, or bulk job."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from nightshift.values.text import JOINERS, cleaned
from nightshift.values.texts import Text

# What a phone shows of a notification; the whole answer stands on the job.
_MOST_CHARACTERS: Final = 300

# An alert is for an admin.
Kind = Literal[
    "job_completed", "job_failed", "job_cancelled", "bulk_completed", "bulk_failed", "bulk_cancelled", "alert"
]
# How a job ended → what its user reads.
KINDS: Final[Mapping[str, Kind]] = {
    "completed": "job_completed",
    "failed": "job_failed",
    "cancelled": "job_cancelled",
}
TITLES: Final[Mapping[str, Text]] = {
    "completed": Text.TITLE_COMPLETED,
    "failed": Text.TITLE_FAILED,
    "cancelled": Text.TITLE_CANCELLED,
}


def notification(*, user_id: str, job_id: str, kind: Kind, title: str, message: str) -> dict[str, Any]:
    """The fields of `notifications/{jobId}`, without its time."""
    text = cleaned(message)
    short = text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1].rstrip(JOINERS)}…"
    return {
        "userId": user_id,
        "jobId": job_id,
        "type": kind,
        "title": cleaned(title),
        "message": short,
        "read": False,
    }
