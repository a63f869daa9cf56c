"""Reads `scheduler/jobs.toml`: Cloud Scheduler runs it in production, the local clock runs it here."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from local.errors import StackError

_JOB_KEYS = ("name", "description", "schedule", "topic")


@dataclass(frozen=True, kw_only=True)
class ScheduledJob:
    """One `[[job]]`: publishes to `topic` whenever `schedule` (unix-cron) says so."""

    name: str
    description: str
    schedule: str
    topic: str


@dataclass(frozen=True, kw_only=True)
class Schedules:
    """The whole file; every `schedule` is read in `time_zone`."""

    time_zone: ZoneInfo
    jobs: tuple[ScheduledJob, ...]


def read_schedules(path: Path) -> Schedules:
    """Read and check the file.

    Raises StackError, naming the key, for whatever Cloud Scheduler would not take either.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StackError(f"{path} cannot be read as TOML: {error}.") from error
    for key in content.keys() - {"time_zone", "job"}:
        raise StackError(f"{path}: `{key}` is no known key; there are `time_zone` and `[[job]]`.")
    try:
        time_zone = ZoneInfo(content.get("time_zone", ""))
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise StackError(f'{path}: `time_zone` must name a time zone, as "Asia/Kolkata".') from error
    entries = content.get("job")
    if not isinstance(entries, list) or not entries:
        raise StackError(f"{path}: `job` must be a list of at least one `[[job]]`.")
    jobs = tuple(_job(path, f"job[{number}]", entry) for number, entry in enumerate(entries))
    return Schedules(time_zone=time_zone, jobs=jobs)


def _job(path: Path, where: str, entry: object) -> ScheduledJob:
    if not isinstance(entry, dict):
        raise StackError(f"{path}: `{where}` must be a table with {', '.join(_JOB_KEYS)}.")
    for key in entry.keys() - set(_JOB_KEYS):
        raise StackError(f"{path}: `{where}.{key}` is no known key; there are {', '.join(_JOB_KEYS)}.")
    for key in _JOB_KEYS:
        if not isinstance(entry.get(key), str) or not entry[key]:
            raise StackError(f"{path}: `{where}.{key}` must be a text that is not empty.")
    # croniter also takes six and seven fields; Cloud Scheduler takes five.
    if len(entry["schedule"].split()) != 5 or not croniter.is_valid(entry["schedule"]):
        raise StackError(f'{path}: `{where}.schedule` must be five unix-cron fields, as "*/10 * * * *".')
    return ScheduledJob(**entry)
