"""What the person is told of a finished job."""

from typing import Any, Final, Literal

# What a phone shows of a notification; the whole answer stands on the job.
_MOST_CHARACTERS: Final = 300

Kind = Literal["job_completed", "job_failed"]


def notification(*, user_id: str, job_id: str, kind: Kind, title: str, message: str) -> dict[str, Any]:
    """The fields of `notifications/{jobId}`, without its time."""
    short = message if len(message) <= _MOST_CHARACTERS else f"{message[: _MOST_CHARACTERS - 1]}…"
    return {
        "userId": user_id,
        "jobId": job_id,
        "type": kind,
        "title": title,
        "message": short,
        "read": False,
    }
