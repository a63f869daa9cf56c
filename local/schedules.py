"""Reads `scheduler/jobs.toml`: Cloud Scheduler runs it in production, the local clock runs it here."""

from pathlib import Path

from local.errors import StackError
from scheduler.declared import JOBS_FILE, Declared, read_declared
from scheduler.errors import SchedulerError


def read_schedules(path: Path = JOBS_FILE) -> Declared:
    """Read and check the file. Raises StackError, naming the key, for what Google Cloud would not take either."""
    try:
        return read_declared(path)
    except SchedulerError as wrong:
        raise StackError(str(wrong)) from wrong
