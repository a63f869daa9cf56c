"""What the table of functions declares, and what a file with another declaration may say."""

from pathlib import Path

import pytest

from scheduler.declared import Topic, declared, read_declared
from scheduler.errors import SchedulerError

FILE = """
time_zone = "UTC"

[[job]]
name = "tick"
description = "One tick."
schedule = "*/10 * * * *"
topic = "nightshift-tick"
"""


def read(tmp_path: Path, text: str) -> tuple[Topic, ...]:
    """The topics of a file with this text."""
    path = tmp_path / "jobs.toml"
    path.write_text(text)
    return read_declared(path).topics


def test_the_table_of_functions_declares_every_schedule_and_topic() -> None:
    """The tick every ten minutes, the sweep every minute, the topics of the contract; dead letters are kept."""
    assert {job.topic: job.schedule for job in declared().jobs} == {
        "nightshift-tick": "*/10 * * * *",
        "nightshift-instant": "* * * * *",
    }
    topics = {topic.name: topic.kept for topic in declared().topics}

    awake = dict.fromkeys(("nightshift-instant", "nightshift-tick", "nightshift-ingest", "nightshift-bulk"), False)
    assert topics == awake | {"nightshift-dead-letters": True}


def test_a_schedules_topic_need_not_be_listed_but_may_be(tmp_path: Path) -> None:
    """It is one topic either way."""
    assert read(tmp_path, FILE) == (Topic(name="nightshift-tick"),)
    listed = FILE + '[[topic]]\nname = "nightshift-tick"\nkept = true\n'
    assert read(tmp_path, listed) == (Topic(name="nightshift-tick", kept=True),)


@pytest.mark.parametrize("schedule", ["0 1 * * *", "*/5 8-18/2 1,15 jan-mar mon-fri", "59 23 31 12 7", "0  1 * * sun"])
def test_unix_cron_is_taken(tmp_path: Path, schedule: str) -> None:
    """Lists, ranges, steps and names."""
    assert read(tmp_path, FILE.replace("*/10 * * * *", schedule))


@pytest.mark.parametrize("schedule", ["0 1 L * *", "R 1 * * *", "H 1 * * *", "0 1 * * mon#2", "@daily", "60 1 * * *"])
def test_what_only_croniter_knows_is_refused(tmp_path: Path, schedule: str) -> None:
    """Cloud Scheduler would refuse it at the deployment."""
    with pytest.raises(SchedulerError, match=r"`job\[0\].schedule`"):
        read(tmp_path, FILE.replace("*/10 * * * *", schedule))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("time_zone = ", "TOML"),
        (FILE.replace("UTC", "Asia/Atlantis"), "`time_zone`"),
        (FILE.replace('time_zone = "UTC"', ""), "`time_zone`"),
        ('time_zone = "UTC"', "`job`"),
        ('time_zone = "UTC"\njob = 3', "`job`"),
        ('time_zone = "UTC"\njob = [3]', r"`job\[0\]`"),
        ('zone = "UTC"\n' + FILE, "`zone`"),
        (FILE.replace("topic", "queue"), r"`job\[0\].queue`"),
        (FILE.replace('topic = "nightshift-tick"', ""), r"`job\[0\].topic`"),
        (FILE.replace('"tick"', "7"), r"`job\[0\].name`"),
        (FILE.replace("*/10 * * * *", "every day"), r"`job\[0\].schedule`"),
        (FILE.replace("*/10 * * * *", "*/10 * * * * *"), r"`job\[0\].schedule`"),
        (FILE.replace('"tick"', '"the tick"'), r"`job\[0\].name`"),
        (FILE.replace("One tick.", "x" * 501), r"`job\[0\].description`"),
        (FILE.replace("nightshift-tick", "tick"), r"`job\[0\].topic`"),
        (FILE + FILE.replace('time_zone = "UTC"', ""), "`job` has the name tick twice"),
        ("topic = 3\n" + FILE, "`topic` must be a list"),
        (FILE + "[[topic]]\nkept = true\n", r"`topic\[0\].name`"),
        (FILE + '[[topic]]\nname = "reports"\n', r"`topic\[0\].name`"),
        (FILE + '[[topic]]\nname = "nightshift-a"\nkept = 1\n', r"`topic\[0\].kept`"),
        (FILE + '[[topic]]\nname = "nightshift-a"\ncolour = "red"\n', r"`topic\[0\].colour`"),
        (FILE + '[[topic]]\nname = "nightshift-a"\n' * 2, "`topic` has the name nightshift-a twice"),
    ],
)
def test_a_malformed_file_is_an_error_that_names_the_key(tmp_path: Path, wrong: str, named: str) -> None:
    """Values that Google Cloud would refuse, and names that would not count as ours."""
    with pytest.raises(SchedulerError, match=rf"jobs\.toml.*{named}"):
        read(tmp_path, wrong)


def test_a_time_zone_that_there_is_not_is_refused() -> None:
    """The option is named, since the file is right."""
    with pytest.raises(SchedulerError, match="--time-zone must name a time zone"):
        declared().in_time_zone("Asia/Atlantis")
