"""`python -m scheduler`, as a person or a deployment runs it: a process of its own."""

from pathlib import Path

import pytest

from tests.scheduler.conftest import Project

OLD = """
[[job]]
name = "old"
description = "No longer needed."
schedule = "0 1 * * *"
topic = "nightshift-tick"
"""
WITHOUT_GOOGLE = """
import sys
from scheduler.__main__ import main
sys.argv = ["scheduler", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    heavy = ("google.a", "google.cloud.", "google.p", "grpc", "rich")
    loaded = [name for name in sys.modules if name.startswith(heavy)]
    print("loaded:", loaded)
    sys.exit(end.code)
"""


async def test_the_plan_is_a_table_and_then_it_is_done(project: Project) -> None:
    """A row each, and what was done."""
    code, output, complaints = await project.process(*project.arguments("sync", "--yes"))

    assert (code, complaints) == (0, "")
    rows = [line.split()[:3] for line in output.splitlines()]
    assert ["create", "schedule", "processBatchJobs"] in rows
    assert ["create", "topic", "nightshift-tick"] in rows
    assert "Done: 5 created." in output

    code, output, _ = await project.process(*project.arguments("list"))
    assert code == 0
    assert "processBatchJobs" in output
    assert "ENABLED" in output


@pytest.mark.parametrize(
    ("said", "code", "told", "is_removed"),
    [
        (b"y\n", 0, "Done: 1 removed.", True),
        (b"n\n", 0, "Nothing was changed.", False),
        (b"", 2, "There is no terminal to ask", False),
    ],
)
async def test_a_removal_is_asked_for(project: Project, said: bytes, code: int, told: str, is_removed: bool) -> None:
    """A no leaves everything as it was; without an answer, the command fails."""
    project.declare_more(OLD)
    await project.sync()
    project.declare(OLD, "")

    answer, output, complaints = await project.process(*project.arguments("sync"), say=said)

    assert answer == code
    assert "Remove old? [y/N]" in complaints
    assert told in output + complaints
    assert (project.path("old") not in project.server.jobs) is is_removed


async def test_missing_credentials_are_one_sentence(project: Project, tmp_path: Path) -> None:
    """No traceback, and the command that mends it."""
    nowhere = str(tmp_path / "none.json")
    arguments = ("sync", "--project", project.id, "--location", "asia-south1")

    code, output, complaints = await project.process(
        *arguments, GOOGLE_APPLICATION_CREDENTIALS=nowhere, PUBSUB_EMULATOR_HOST=""
    )

    assert (code, output) == (2, "")
    assert "gcloud auth application-default login" in complaints
    assert complaints.count("\n") == 1


@pytest.mark.parametrize("command", [(), ("sync",)])
async def test_help_imports_nothing_of_googles(project: Project, command: tuple[str, ...]) -> None:
    """`--help` answers at once."""
    code, output, _ = await project.python("-c", WITHOUT_GOOGLE, *command, "--help")

    assert code == 0
    assert "usage: python -m scheduler" in output
    assert "loaded: []" in output


async def test_arguments_that_make_no_sense_are_refused(project: Project) -> None:
    """Either a schedule or all of them."""
    for arguments in (("pause",), ("pause", "tick", "--all"), ("sync", "everything"), ()):
        code, _, complaints = await project.process(*arguments, "--project", "p", "--location", "r")
        assert code == 2
        assert "usage:" in complaints
