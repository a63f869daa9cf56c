"""What Cloud Scheduler and Pub/Sub are to be, for the sync and for the local stack's clock.

It follows from the table of functions. Another declaration may be read from a file:

    time_zone = "Asia/Kolkata"

    [[job]]               # publishes to `topic` whenever `schedule` says so
    name = "processBatchJobs"
    description = "One tick."
    schedule = "*/10 * * * *"
    topic = "nightshift-tick"

    [[topic]]             # a topic that no schedule publishes to
    name = "nightshift-dead-letters"
    kept = true           # a pull subscription of the same name keeps its messages
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from nightshift.functions import DEAD_LETTERS, FUNCTIONS, TIME_ZONE
from scheduler.errors import SchedulerError

# What is due stands in Firestore; the message of a schedule only says "now".
MESSAGE: Final = b"{}"
# So that in a shared project no topic of another program is taken for ours.
TOPIC_PREFIX: Final = "nightshift-"

_JOB_KEYS = ("name", "description", "schedule", "topic")
_TOPIC_KEYS = ("name", "kept")
# What Cloud Scheduler takes as a job's id and as its description: the `Job` message of its API.
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_MOST_DESCRIPTION_CHARACTERS = 500
# https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
_TOPIC_ID = re.compile(TOPIC_PREFIX + r"[A-Za-z0-9_.~+%-]{1,200}")
# croniter also takes six and seven fields, and letters for "last", "random" and the like.
_PART = r"(\*|\d+|[A-Za-z]{3})(-(\d+|[A-Za-z]{3}))?(/\d+)?"
_CRON = re.compile(rf"({_PART}(,{_PART})*( +|$)){{5}}")


@dataclass(frozen=True, kw_only=True)
class ScheduledJob:
    """One `[[job]]`: publishes to `topic` whenever `schedule` (unix-cron) says so."""

    name: str
    description: str
    schedule: str
    topic: str


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic of Pub/Sub. `kept`: a pull subscription of the same name keeps its messages."""

    name: str
    kept: bool = False


@dataclass(frozen=True, kw_only=True)
class Declared:
    """All of it; every `schedule` is read in `time_zone`. `topics` are all of them, those of the jobs first."""

    time_zone: ZoneInfo
    jobs: tuple[ScheduledJob, ...]
    topics: tuple[Topic, ...]

    def in_time_zone(self, name: str) -> "Declared":
        """The same, its schedules read in another time zone. Raises SchedulerError."""
        return replace(self, time_zone=_time_zone(name, "--time-zone"))


def declared() -> Declared:
    """What the table of functions declares."""
    jobs = tuple(
        ScheduledJob(name=function.name, description=function.does, schedule=function.schedule, topic=function.topic)
        for function in FUNCTIONS
        if function.schedule and function.topic
    )
    topics = [Topic(name=function.topic) for function in FUNCTIONS if function.topic]
    return Declared(time_zone=ZoneInfo(TIME_ZONE), jobs=jobs, topics=(*topics, Topic(name=DEAD_LETTERS, kept=True)))


def read_declared(path: Path) -> Declared:
    """Read and check the file.

    Raises SchedulerError, naming the file and the key, for whatever Google Cloud would not take either.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SchedulerError(f"{path} cannot be read as TOML: {error}.") from error
    for key in content.keys() - {"time_zone", "job", "topic"}:
        raise SchedulerError(f"{path}: `{key}` is no known key; there are `time_zone`, `[[job]]` and `[[topic]]`.")
    time_zone = _time_zone(content.get("time_zone"), f"{path}: `time_zone`")
    entries = content.get("job")
    if not isinstance(entries, list) or not entries:
        raise SchedulerError(f"{path}: `job` must be a list of at least one `[[job]]`.")
    jobs = tuple(_job(f"{path}: `job[{number}]", entry) for number, entry in enumerate(entries))
    _each_once(f"{path}: `job`", [job.name for job in jobs])
    others = content.get("topic", [])
    if not isinstance(others, list):
        raise SchedulerError(f"{path}: `topic` must be a list of `[[topic]]`.")
    topics = {job.topic: Topic(name=job.topic) for job in jobs}
    listed = [_topic(f"{path}: `topic[{number}]", entry) for number, entry in enumerate(others)]
    _each_once(f"{path}: `topic`", [topic.name for topic in listed])
    topics |= {topic.name: topic for topic in listed}
    return Declared(time_zone=time_zone, jobs=jobs, topics=tuple(topics.values()))


def _time_zone(name: object, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name if isinstance(name, str) else "")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SchedulerError(f'{where} must name a time zone, as "Asia/Kolkata".') from error


def _job(where: str, entry: object) -> ScheduledJob:
    fields = _table(where, entry, _JOB_KEYS)
    for key in _JOB_KEYS:
        _text(where, fields, key)
    if not _JOB_ID.fullmatch(fields["name"]):
        raise SchedulerError(f"{where}.name` must be letters, digits, - and _.")
    if len(fields["description"]) > _MOST_DESCRIPTION_CHARACTERS:
        raise SchedulerError(f"{where}.description` must have {_MOST_DESCRIPTION_CHARACTERS} characters at most.")
    if not _CRON.fullmatch(fields["schedule"]) or not croniter.is_valid(fields["schedule"]):
        raise SchedulerError(f'{where}.schedule` must be five unix-cron fields, as "*/10 * * * *".')
    _check_topic(f"{where}.topic`", fields["topic"])
    return ScheduledJob(**fields)


def _topic(where: str, entry: object) -> Topic:
    fields = _table(where, entry, _TOPIC_KEYS)
    _text(where, fields, "name")
    _check_topic(f"{where}.name`", fields["name"])
    if not isinstance(fields.get("kept", False), bool):
        raise SchedulerError(f"{where}.kept` must be true or false.")
    return Topic(**fields)


def _table(where: str, entry: object, keys: Collection[str]) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise SchedulerError(f"{where}` must be a table with {', '.join(keys)}.")
    for key in entry.keys() - set(keys):
        raise SchedulerError(f"{where}.{key}` is no known key; there are {', '.join(keys)}.")
    return entry


def _text(where: str, fields: Mapping[str, object], key: str) -> None:
    if not isinstance(fields.get(key), str) or not fields[key]:
        raise SchedulerError(f"{where}.{key}` must be a text that is not empty.")


def _check_topic(where: str, name: str) -> None:
    if not _TOPIC_ID.fullmatch(name):
        raise SchedulerError(f"{where} must be the id of a topic that begins with {TOPIC_PREFIX}.")


def _each_once(where: str, names: Collection[str]) -> None:
    for name in names:
        if list(names).count(name) > 1:
            raise SchedulerError(f"{where} has the name {name} twice.")
