"""`./nightshift schedules`, as a person or a deployment runs it."""

from pathlib import Path

import pytest

from tests.scheduler.conftest import Project
from tests.support.operating import asked_apart, nightshift

OLD = """
[[job]]
name = "old"
description = "No longer needed."
schedule = "0 1 * * *"
topic = "nightshift-tick"
"""


async def test_the_plan_is_a_table_and_then_it_is_done(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A row each, and what was done; the listing tells the state."""
    assert await project.run(*project.arguments("sync", "--yes")) == 0

    output = capsys.readouterr().out
    rows = [line.split()[:3] for line in output.splitlines()]
    assert ["create", "schedule", "processBatchJobs"] in rows
    assert ["create", "topic", "nightshift-tick"] in rows
    assert "Done: 5 created." in output
    assert await project.run(*project.arguments("list")) == 0
    listed = capsys.readouterr().out
    assert "processBatchJobs" in listed
    assert "ENABLED" in listed


@pytest.mark.parametrize(
    ("said", "code", "told", "is_removed"),
    [("y", 0, "Done: 1 removed.", True), ("n", 1, "Nothing was changed.", False)],
)
async def test_a_removal_is_asked_for(project: Project, said: str, code: int, told: str, is_removed: bool) -> None:
    """A no leaves everything as it was. As a process: its project is the one that it names, not the environment's."""
    project.declare_more(OLD)
    await project.sync()
    project.declare(OLD, "")

    answer, output, complaints = await asked_apart(said, *project.arguments("sync"))

    assert answer == code
    assert f"In {project.id}: Removes old, which the table of functions does not declare." in complaints
    assert told in output + complaints
    assert (project.path("old") not in project.server.jobs) is is_removed


async def test_a_removal_without_a_terminal_is_not_done(project: Project) -> None:
    """A pipe can agree to nothing: --yes does."""
    project.declare_more(OLD)
    await project.sync()
    project.declare(OLD, "")

    code, _, complaints = await project.command("sync")

    assert (code, project.path("old") in project.server.jobs) == (2, True)
    assert "There is no terminal to confirm it at" in complaints


async def test_missing_credentials_are_one_sentence(project: Project, tmp_path: Path) -> None:
    """No traceback, and the command that mends it."""
    code, output, complaints = await nightshift(
        *("schedules", "sync", "--project", project.id),
        # Nothing is asked of it.
        FIRESTORE_EMULATOR_HOST="127.0.0.1:1",
        GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "none.json"),
        PUBSUB_EMULATOR_HOST=None,
    )

    assert (code, output) == (2, "")
    assert "gcloud auth application-default login" in complaints
    assert complaints.count("\n") == 1


@pytest.mark.parametrize("arguments", [("pause",), ("pause", "tick", "--all"), ("sync", "tick"), ("run", "--all")])
async def test_arguments_that_make_no_sense_are_refused(project: Project, arguments: tuple[str, ...]) -> None:
    """Either a schedule or all of them; no service is asked."""
    code, _, complaints = await project.command(*arguments)

    assert code == 2
    assert f"`schedules {arguments[0]}` takes" in complaints
    assert not project.server.calls
