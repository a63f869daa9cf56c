"""`sync`: whatever is there, it becomes what is declared, and nothing else is touched."""

import asyncio
from typing import Any

import pytest
from google.cloud.scheduler_v1 import HttpTarget, Job, RetryConfig
from google.protobuf.duration_pb2 import Duration

from tests.scheduler.conftest import Project

TOPICS = {"nightshift-tick", "nightshift-ingest", "nightshift-dead-letters"}
EVERY_MINUTE = """
[[job]]
name = "takeUpRetries"
description = "Every minute."
schedule = "* * * * *"
topic = "nightshift-retries"
"""


async def test_the_first_sync_creates_all_that_is_declared(project: Project) -> None:
    """The schedule, the topics, and the subscription that keeps dead letters and never expires."""
    plan = await project.sync()

    assert plan == {"create": [*_topics_in_order(), "nightshift-dead-letters", "processBatchJobs"]}
    job = project.job()
    assert (job.schedule, job.time_zone, job.state) == ("*/10 * * * *", "Asia/Kolkata", Job.State.ENABLED)
    assert job.pubsub_target.topic_name == f"projects/{project.id}/topics/nightshift-tick"
    assert job.pubsub_target.data == b"{}"
    assert await project.topic_names() == TOPICS
    (subscription,) = (await project.pubsub("GET", "subscriptions"))["subscriptions"]
    assert subscription["topic"] == f"projects/{project.id}/topics/nightshift-dead-letters"
    assert subscription["name"] == f"projects/{project.id}/subscriptions/nightshift-dead-letters"
    assert subscription["expirationPolicy"] == {}


async def test_the_second_sync_finds_all_the_same_and_changes_nothing(project: Project) -> None:
    """No call that changes something is made."""
    await project.sync()
    before = len(project.server.changes)

    plan = await project.sync()

    assert plan.keys() == {"same"}
    assert len(plan["same"]) == 5
    assert len(project.server.changes) == before


async def test_a_second_schedule_is_one_more_job_in_the_file(project: Project) -> None:
    """Its topic follows from it."""
    await project.sync()
    project.declare_more(EVERY_MINUTE)

    plan = await project.sync()

    assert plan["create"] == ["nightshift-retries", "takeUpRetries"]
    assert project.job("takeUpRetries").schedule == "* * * * *"
    assert await project.topic_names() == TOPICS | {"nightshift-retries"}


@pytest.mark.parametrize(
    ("old", "new", "field", "mask"),
    [
        ('"*/10 * * * *"', '"*/5 * * * *"', "schedule", "schedule"),
        ('"Asia/Kolkata"', '"Europe/Berlin"', "time zone", "time_zone"),
        ("One tick:", "A tick:", "description", "description"),
        ('topic = "nightshift-tick"', 'topic = "nightshift-tock"', "topic", "pubsub_target"),
    ],
)
async def test_a_changed_field_is_named_and_mended_alone(
    project: Project, old: str, new: str, field: str, mask: str
) -> None:
    """The plan says what it was and will be, the update's mask names that field and no other."""
    await project.sync()
    project.declare(old, new)

    _, lines, _ = await project.command("sync", "--plan")
    await project.sync()

    (change,) = [line for line in lines if line.get("action") == "change"]
    assert (change["name"], list(change["changes"])) == ("processBatchJobs", [field])
    assert change["changes"][field]["old"] != change["changes"][field]["new"]
    assert project.server.masks == [{mask}]
    assert (await project.sync()).get("change") is None


@pytest.mark.parametrize(("field", "wrong"), [("message", b"[]"), ("attributes", {})])
async def test_a_message_that_was_changed_by_hand_is_mended(project: Project, field: str, wrong: Any) -> None:
    """The body of the message, and the mark by which a schedule of the sync's is known."""
    await project.sync()
    target = project.job().pubsub_target
    before = (target.data, dict(target.attributes))
    setattr(target, {"message": "data"}.get(field, field), wrong)

    _, lines, _ = await project.command("sync")

    assert [list(line["changes"]) for line in lines if line.get("action") == "change"] == [[field]]
    target = project.job().pubsub_target
    assert (target.data, dict(target.attributes)) == before


async def test_what_is_not_declared_about_a_schedule_is_left_as_it_is(project: Project) -> None:
    """An operator's retries stay, also when another field is mended."""
    await project.sync()
    project.job().retry_config = RetryConfig(retry_count=3, min_backoff_duration=Duration(seconds=7))
    project.declare("*/10 * * * *", "*/5 * * * *")

    await project.sync()

    assert project.job().schedule == "*/5 * * * *"
    assert project.job().retry_config.retry_count == 3


async def test_the_time_zone_of_the_file_can_be_overridden(project: Project) -> None:
    """For the length of a command."""
    await project.sync("--time-zone", "Europe/Berlin")
    assert project.job().time_zone == "Europe/Berlin"

    assert (await project.sync())["change"] == ["processBatchJobs"]
    assert project.job().time_zone == "Asia/Kolkata"


async def test_a_plan_alone_prints_the_same_plan_and_changes_nothing(project: Project) -> None:
    """Neither at Cloud Scheduler nor at Pub/Sub."""
    code, planned, _ = await project.command("sync", "--plan")
    assert code == 0
    assert not project.server.changes
    assert await project.topic_names() == set()

    _, done, _ = await project.command("sync")
    assert done[:-1] == planned
    assert done[-1] == {"created": 5, "changed": 0, "removed": 0}


async def test_a_strangers_schedules_are_never_touched(project: Project) -> None:
    """Another target, or another topic: they are not even named."""
    page = HttpTarget(uri="https://example.com/")
    project.server.add(Job(name=project.path("backup"), schedule="0 1 * * *", time_zone="UTC", http_target=page))
    project.server.add(project.pubsub_job("report", "reports"))
    before = {name: Job.serialize(job) for name, job in project.server.jobs.items()}

    plan = await project.sync()
    await project.command("pause", "--all")

    assert {"backup", "report"}.isdisjoint(name for names in plan.values() for name in names)
    assert {name: Job.serialize(project.server.jobs[name]) for name in before} == before


async def test_a_schedule_that_is_no_longer_declared_is_removed_and_its_topic_left(project: Project) -> None:
    """A topic may hold messages."""
    project.declare_more(EVERY_MINUTE)
    await project.sync()
    project.declare(EVERY_MINUTE, "")

    plan = await project.sync()

    assert plan["remove"] == ["takeUpRetries"]
    assert plan["left"] == ["nightshift-retries"]
    assert list(project.server.jobs) == [project.path("processBatchJobs")]
    assert "nightshift-retries" in await project.topic_names()


async def test_a_schedule_for_our_topic_that_was_made_by_hand_is_left(project: Project) -> None:
    """Only what the sync made itself is removed."""
    await project.sync()
    project.server.add(project.pubsub_job("extraTick", "nightshift-tick"))

    plan = await project.sync()

    assert plan["left"] == ["extraTick"]
    assert project.path("extraTick") in project.server.jobs


async def test_a_declared_schedule_that_was_made_by_hand_is_taken_over(project: Project) -> None:
    """As gcloud makes it: without the mark. From then on it is the sync's."""
    project.server.add(project.pubsub_job("processBatchJobs", "nightshift-tick"))

    assert (await project.sync())["change"] == ["processBatchJobs"]
    assert (await project.sync()).keys() == {"same"}


async def test_a_name_that_another_programs_schedule_has_stops_the_sync(project: Project) -> None:
    """Before anything is changed."""
    project.server.add(project.pubsub_job("processBatchJobs", "reports"))

    code, lines, complaints = await project.command("sync", "--yes")

    assert (code, lines) == (2, [])
    assert "Nightshift did not make it, so it is left alone" in complaints
    assert not project.server.changes
    assert await project.topic_names() == set()


async def test_a_paused_schedule_stays_paused(project: Project) -> None:
    """The plan says so, whether something is changed or not."""
    await project.sync()
    await project.command("pause", "processBatchJobs")
    project.declare("*/10 * * * *", "*/5 * * * *")

    for action in ("change", "same"):
        _, lines, _ = await project.command("sync")
        (line,) = [line for line in lines if line.get("kind") == "schedule"]
        assert (line["action"], line["note"]) == (action, "paused, and stays paused")

    assert (project.job().schedule, project.job().state) == ("*/5 * * * *", Job.State.PAUSED)


async def test_an_update_that_failed_at_google_is_sent_again(project: Project) -> None:
    """`UPDATE_FAILED` asks for the update to be repeated until it succeeds, whole."""
    await project.sync()
    project.job().state = Job.State(Job.State.UPDATE_FAILED)

    assert (await project.sync())["change"] == ["processBatchJobs"]
    assert project.server.masks == [{"description", "schedule", "time_zone", "pubsub_target"}]
    assert (await project.sync()).keys() == {"same"}


async def test_more_schedules_than_fit_on_a_page_are_all_seen(project: Project) -> None:
    """The server gives two a page."""
    for number in range(5):
        project.declare_more(EVERY_MINUTE.replace("takeUpRetries", f"job{number}"))
    await project.sync()
    listings = project.server.calls.count("ListJobs")

    assert (await project.sync()).keys() == {"same"}
    assert project.server.calls.count("ListJobs") == listings + 3


async def test_two_syncs_at_once_end_alike(project: Project) -> None:
    """Neither fails, and there is one of each."""
    project.declare_more(EVERY_MINUTE)

    first, second = await asyncio.gather(project.raw_sync(), project.raw_sync())

    assert (first, second) == (0, 0)
    assert len(project.server.jobs) == 2
    assert (await project.sync()).keys() == {"same"}


async def test_a_subscription_that_would_expire_is_reported(project: Project) -> None:
    """Pub/Sub deletes a subscription and its messages after 31 days without use, unless its policy says never."""
    await project.topics.create("nightshift-dead-letters")
    topic = f"projects/{project.id}/topics/nightshift-dead-letters"
    body = {"topic": topic, "expirationPolicy": {"ttl": "2678400s"}}
    await project.pubsub("PUT", "subscriptions/nightshift-dead-letters", body)

    _, lines, _ = await project.command("sync", "--plan")

    (line,) = [line for line in lines if line.get("kind") == "subscription"]
    assert (line["action"], "--expiration-period never" in line["note"]) == ("left", True)


async def test_a_subscription_of_another_topic_stops_the_sync_with_what_to_do(project: Project) -> None:
    """What a subscription reads cannot be changed, and it may hold messages."""
    await project.topics.create("other")
    body = {"topic": f"projects/{project.id}/topics/other"}
    await project.pubsub("PUT", "subscriptions/nightshift-dead-letters", body)

    code, _, complaints = await project.command("sync")

    assert code == 2
    assert "gcloud pubsub subscriptions delete nightshift-dead-letters" in complaints


def _topics_in_order() -> list[str]:
    return ["nightshift-tick", "nightshift-ingest", "nightshift-dead-letters"]
