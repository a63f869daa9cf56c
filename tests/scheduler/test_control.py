"""Pausing, resuming, running now, and listing."""

import pytest
from google.cloud.scheduler_v1 import HttpTarget, Job
from grpc import StatusCode

from tests.scheduler.cloud_scheduler import Fault
from tests.scheduler.conftest import Project


async def test_pausing_and_resuming_say_what_they_found(project: Project) -> None:
    """Either may be repeated."""
    await project.sync()

    for command, told, state in (
        ("pause", "paused", Job.State.PAUSED),
        ("pause", "was paused already", Job.State.PAUSED),
        ("resume", "runs again", Job.State.ENABLED),
        ("resume", "was not paused", Job.State.ENABLED),
    ):
        code, lines, _ = await project.command(command, "processBatchJobs")
        assert (code, lines) == (0, [{"name": "processBatchJobs", "told": told}])
        assert project.job().state == state


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize(("command", "method"), [("pause", "PauseJob"), ("resume", "ResumeJob")])
async def test_a_pause_without_an_answer_is_repeated(project: Project, command: str, method: str, lands: bool) -> None:
    """If it took effect, the repetition is refused (`FAILED_PRECONDITION`), and the state says why."""
    await project.sync()
    await project.command({"pause": "resume", "resume": "pause"}[command], "--all")
    project.server.fault(method, Fault(StatusCode.UNAVAILABLE, lands=lands))

    code, _, complaints = await project.command(command, "processBatchJobs")

    assert (code, complaints) == (0, "")
    assert project.job().state == {"pause": Job.State.PAUSED, "resume": Job.State.ENABLED}[command]


async def test_all_are_ours_alone(project: Project) -> None:
    """`--all` stops whatever would publish to our topics, and nothing else."""
    await project.sync()
    project.server.add(project.pubsub_job("extraTick", "nightshift-tick"))
    project.server.add(project.pubsub_job("report", "reports"))

    await project.command("pause", "--all")

    states = {name.rpartition("/")[2]: Job.State(job.state).name for name, job in project.server.jobs.items()}
    assert states == {"processBatchJobs": "PAUSED", "extraTick": "PAUSED", "report": "ENABLED"}


@pytest.mark.parametrize("command", ["pause", "resume", "run"])
async def test_a_schedule_that_is_not_ours_is_as_one_that_is_not_there(project: Project, command: str) -> None:
    """One sentence, and nothing is done."""
    page = HttpTarget(uri="https://example.com/")
    project.server.add(Job(name=project.path("backup"), schedule="0 1 * * *", time_zone="UTC", http_target=page))

    for name in ("backup", "nothing"):
        code, _, complaints = await project.command(command, name)
        assert code == 1
        assert complaints.startswith(f"There is no schedule {name} of Nightshift in projects/{project.id}")
    assert not project.server.changes


async def test_a_schedule_that_google_disabled_cannot_be_paused(project: Project) -> None:
    """The command prints the service's own answer."""
    await project.sync()
    project.job().state = Job.State(Job.State.DISABLED)

    code, _, complaints = await project.command("pause", "processBatchJobs")

    assert code == 2
    assert "FAILED_PRECONDITION" in complaints


async def test_a_schedule_runs_now(project: Project) -> None:
    """Its message arrives on its topic, as the functions know it."""
    await project.sync()
    await project.topics.keep("nightshift-tick")

    code, lines, _ = await project.command("run", "processBatchJobs")

    assert (code, lines) == (0, [{"name": "processBatchJobs", "told": "runs now"}])
    assert await project.topics.pull("nightshift-tick") == [b"{}"]


async def test_a_listing_tells_state_and_runs(project: Project) -> None:
    """Of what is there; what is declared and was never synced is missing."""
    _, before, _ = await project.command("list")
    await project.sync()
    await project.command("run", "processBatchJobs")
    _, after, _ = await project.command("list")
    await project.command("pause", "--all")
    _, paused, _ = await project.command("list")

    assert [(line["name"], line["state"]) for line in before] == [("processBatchJobs", "MISSING")]
    (line,) = after
    assert (line["state"], line["topic"], line["schedule"]) == ("ENABLED", "nightshift-tick", "*/10 * * * *")
    assert line["lastRunAt"] < line["nextRunAt"]
    assert [(line["state"], line["nextRunAt"]) for line in paused] == [("PAUSED", None)]
