"""What goes wrong between the sync and Google is repeated, or said in one sentence, and the next sync converges."""

import functools

import pytest
from grpc import StatusCode

from tests.scheduler.cloud_scheduler import Fault
from tests.scheduler.conftest import Project

IMPATIENT = ("--patience", "1")


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("status", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.INTERNAL])
async def test_a_create_without_an_answer_is_repeated(project: Project, status: StatusCode, lands: bool) -> None:
    """Whether it took effect or not; if it did, the repetition meets its own work."""
    project.server.fault("CreateJob", Fault(status, lands=lands))

    await project.sync()

    assert project.server.calls.count("CreateJob") == 2
    assert (await project.sync()).keys() == {"same"}


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("method", ["UpdateJob", "DeleteJob", "ListJobs"])
async def test_any_other_call_without_an_answer_is_repeated(project: Project, method: str, lands: bool) -> None:
    """A removal that took effect is not found the second time, which is as well."""
    await project.sync()
    project.declare('"processBatchJobs"', '"tick"')
    await project.sync("--plan")
    project.server.jobs[project.path("tick")] = project.pubsub_job("tick", "nightshift-tick")
    project.server.fault(method, Fault(StatusCode.UNAVAILABLE, lands=lands))

    await project.sync()

    assert list(project.server.jobs) == [project.path("tick")]
    assert (await project.sync()).keys() == {"same"}


async def test_a_schedule_that_is_deleted_before_it_is_changed_is_created(project: Project) -> None:
    """The plan said change; what counts is what is there."""
    await project.sync()
    project.declare("*/10 * * * *", "*/5 * * * *")
    project.server.fault("UpdateJob", Fault(StatusCode.OK, meanwhile=project.server.jobs.clear))

    assert (await project.sync())["change"] == ["processBatchJobs"]
    assert project.job().schedule == "*/5 * * * *"


async def test_a_schedule_that_another_sync_creates_before_us_is_changed(project: Project) -> None:
    """The plan said create; another sync, of an older file, was faster."""
    older = project.pubsub_job("processBatchJobs", "nightshift-tick")
    project.server.fault("CreateJob", Fault(StatusCode.OK, meanwhile=functools.partial(project.server.add, older)))

    assert "processBatchJobs" in (await project.sync())["create"]
    assert project.job().schedule == "*/10 * * * *"
    assert (await project.sync()).keys() == {"same"}


async def test_a_stranger_who_takes_the_name_before_us_is_left_alone(project: Project) -> None:
    """Also between the plan and the deed."""
    theirs = project.pubsub_job("processBatchJobs", "reports")
    project.server.fault("CreateJob", Fault(StatusCode.OK, meanwhile=functools.partial(project.server.add, theirs)))

    code, _, complaints = await project.command("sync", "--yes")

    assert code == 2
    assert "Nightshift did not make it" in complaints
    assert "UpdateJob" not in project.server.calls
    assert project.job().schedule == "0 1 * * *"


@pytest.mark.parametrize("method", ["ListJobs", "CreateJob", "UpdateJob", "DeleteJob"])
async def test_a_service_that_stays_away_ends_the_command_and_the_next_sync_converges(
    project: Project, method: str
) -> None:
    """All repetitions of a call are bounded together, and nothing that was done is lost."""
    await project.sync()
    project.declare('"processBatchJobs"', '"tick"')
    if method == "UpdateJob":
        project.server.add(project.pubsub_job("tick", "nightshift-tick"))
    project.server.fault(method, Fault(StatusCode.UNAVAILABLE, "Try later.", times=1000))

    code, _, complaints = await project.command("sync", "--yes", *IMPATIENT)

    assert code == 2
    assert complaints == "Google Cloud answered UNAVAILABLE, even when it was asked again: Try later.\n"
    project.server.heal()
    await project.sync()
    assert list(project.server.jobs) == [project.path("tick")]
    assert (await project.sync()).keys() == {"same"}


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(StatusCode.PERMISSION_DENIED, "The caller may not."), "roles/cloudscheduler.admin"),
        (
            Fault(StatusCode.PERMISSION_DENIED, "Cloud Scheduler API has not\nbeen used.", reason="SERVICE_DISABLED"),
            "run `gcloud services enable cloudscheduler.googleapis.com --project",
        ),
        (Fault(StatusCode.UNAUTHENTICATED, "No."), "run `gcloud auth application-default login`"),
        (Fault(StatusCode.NOT_FOUND, "The location is not there."), "Google Cloud answered NOT_FOUND"),
        (Fault(StatusCode.INVALID_ARGUMENT, "Location is invalid."), "Google Cloud answered INVALID_ARGUMENT"),
    ],
)
@pytest.mark.parametrize("method", ["ListJobs", "CreateJob"])
async def test_what_repeating_does_not_mend_is_one_sentence(
    project: Project, method: str, fault: Fault, sentence: str
) -> None:
    """It says what to do, and is not repeated."""
    fault.times = 1000
    project.server.fault(method, fault)

    code, _, complaints = await project.command("sync", "--yes", *IMPATIENT)

    assert code == 2
    assert sentence in complaints
    assert complaints.count("\n") == 1
    project.server.heal()
    await project.sync()
    assert (await project.sync()).keys() == {"same"}


async def test_google_never_hears_of_what_the_file_should_not_say(project: Project) -> None:
    """A wrong file ends the command before any service is asked."""
    project.declare("*/10 * * * *", "every ten minutes")

    code, _, complaints = await project.command("sync")

    assert code == 2
    assert "`job[0].schedule` must be five unix-cron fields" in complaints
    assert not project.server.calls


async def test_half_of_it_local_and_half_of_it_google_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten variable of the emulator would put the topics where no function looks for them."""
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST")

    code, _, complaints = await project.command("sync")

    assert code == 2
    assert "both or neither must be local" in complaints
