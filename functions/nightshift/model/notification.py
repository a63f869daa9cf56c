"""What the person is told of a finished job."""

from typing import Any, Literal

Kind = Literal["job_completed", "job_failed"]


def notification(*, user_id: str, job_id: str, kind: Kind, title: str, message: str) -> dict[str, Any]:
    """The fields of `notifications/{jobId}`, without its time."""
    return {
        "userId": user_id,
        "jobId": job_id,
        "type": kind,
        "title": title,
        "message": message,
        "read": False,
    }
