"""docs/OPERATIONS.md, the runbook: each of its commands is run as it stands there, over what it is for.

gcloud's own are read by gcloud's parser: tests/deploy/test_gcloud.py.
"""

import asyncio
import re
import shlex
from asyncio.subprocess import PIPE, STDOUT

import pytest

from local.part import ROOT
from tests.scheduler.conftest import Project, project
from tests.support.auditing import spend_a_night
from tests.support.operating import operate
from tests.support.world import World

__all__ = ["project"]

RUNBOOK = (ROOT / "docs" / "OPERATIONS.md").read_text().split("\n## Events\n")[0]
BLOCKS = re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
OPERATORS, SCHEDULES = "./nightshift ", "./nightshift schedules "
# What ends a question with yes.
ASKING = ("grant", "cancel", "retry", "move", "erase", "audit --repair")


@pytest.mark.parametrize(
    "said",
    [
        "A deleted database's name is held for some five minutes.",
        "A backup lies in its database's location, and outlives the database, not the location.",
        "Once it is disabled, a [rollback](#a-bad-deployment) to such a revision does not start.",
    ],
)
def test_what_google_does_with_what_was_deleted_is_said(said: str) -> None:
    """An operator who learns it by an error has lost hours."""
    assert said in " ".join(RUNBOOK.split())


def of(tool: str) -> list[str]:
    """The commands of a tool without its name, in the order of the page."""
    return [line.removeprefix(tool) for line in COMMANDS if line.startswith(tool)]


def test_every_command_is_of_a_tool_that_is_tried() -> None:
    """What stands in a block is run below, or read by gcloud's own parser; curl's in tests/local/test_stack.py."""
    googles = ("gcloud ", "curl ", "ID_TOKEN=$(curl ", "  -")
    tried = (OPERATORS, *googles, "make ", "OPENAI_API_KEY=sk-new make ", "export ")
    assert len(COMMANDS) > 40
    assert [line for line in COMMANDS if not line.startswith(tried)] == []


@pytest.mark.parametrize("command", [one for one in dict.fromkeys(of(OPERATORS)) if not one.startswith("schedules ")])
async def test_an_operators_command_does_what_it_is_for(
    world: World, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """After a night with every kind of end, while one batch is at the provider."""
    await spend_a_night(world)
    world.set_env(NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    world.provider.hold("in_progress")
    job_id = await world.submit("alice", "under-way")
    batch = str((await world.job(job_id))["batchId"])
    job = "declined" if command.startswith("retry job") else job_id
    words = command.replace("BATCH", batch).replace("JOB", job).replace("UID", "alice").split()
    agreed = ["--yes"] if command.startswith(ASKING) else []

    code, output, complaints = await operate(world, capsys, *words, *agreed)

    # The user's batch is still at the provider: `erase` says so, and is to be run again.
    assert (code, complaints) == (int(command.startswith("erase")), "")
    assert output.strip()


async def test_a_schedules_command_does_what_it_is_for(project: Project) -> None:
    """Where all is as declared: each succeeds, and the last one leaves the ticks running."""
    await project.sync()
    for command in of(SCHEDULES):
        words = command.partition(" --region")[0].split()
        assert (await project.command(words[0], *words[1:], *(["--yes"] if words[0] == "sync" else [])))[0] == 0
    assert project.job().state.name == "ENABLED"


@pytest.mark.parametrize("command", [line for line in COMMANDS if "make " in line])
async def test_make_has_what_is_asked_of_it(command: str) -> None:
    """make itself reads it, and runs nothing."""
    words = shlex.split(command.partition("make ")[2].replace("$PROJECT", "my-project"))
    reading = await asyncio.create_subprocess_exec("make", "-n", *words, cwd=ROOT, stdout=PIPE, stderr=STDOUT)
    output, _ = await reading.communicate()
    assert reading.returncode == 0, output.decode()
    assert b"-m deploy" in output
