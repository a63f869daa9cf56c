"""Whether the history has counted the end of a job without a batch. `reports/fold.py` counts it some minutes later."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from nightshift.database.collections import METRICS
from nightshift.database.commits import READ
from nightshift.database.watermark import Watermark
from nightshift.jobs.created import JobDocument
from nightshift.runtime import Runtime

# The document of METRICS that says how far the history reaches.
HISTORY_STATE: Final = "history"


async def is_in_history(runtime: Runtime, job: JobDocument) -> bool:
    """Whether its end is counted. One read. False for a job that has not ended without a batch."""
    day, ended_at = job.fields.get("historyDay"), job.fields.get("completedAt")
    if not isinstance(day, str) or not isinstance(ended_at, datetime):
        return False
    snapshot = await runtime.firestore.collection(METRICS).document(HISTORY_STATE).get(["jobs"], **READ)
    marks = (snapshot.to_dict() or {}).get("jobs") or {}
    return is_day_over(marks, day) or Watermark.read(marks.get(day)).has_passed(ended_at, job.job_id)


def is_day_over(marks: Mapping[str, Any], day: str) -> bool:
    """Whether all of a day is counted: its watermark has gone, and a later day has one."""
    return day not in marks and day < min(marks, default="")
