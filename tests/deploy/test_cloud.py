"""How `deploy` takes the programs' errors: it waits for what Google has not spread yet, reports the rest at once."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy import begin
from deploy.cloud import Cloud
from deploy.command import ShellCommand
from deploy.errors import CommandFailed, DeployError
from deploy.shell import CommandEnd, Processes
from deploy.troubles import LASTING, PASSING, GoogleTrouble

_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
_FINE = CommandEnd(exit_code=0, stdout="[]", stderr="")


class Script:
    """A terminal that gives the listed answers, one after the other."""

    def __init__(self, answers: Sequence[CommandEnd]) -> None:
        self.answers = list(answers)

    async def run(self, _: ShellCommand) -> CommandEnd:
        """The next answer."""
        return self.answers.pop(0)


def cloud(*answers: CommandEnd) -> Cloud:
    """A project whose gcloud gives these answers."""
    return Cloud(
        project="night-shift",
        region="asia-south1",
        shell=Script(answers),
        may_be_blind=False,
        pause_seconds=0,
        patience_seconds=60,
        build_patience_seconds=60,
    )


def error(text: str) -> CommandEnd:
    """A command that failed."""
    return CommandEnd(exit_code=1, stdout="", stderr=f"Preparing...\nERROR: (gcloud.functions.deploy) {text}\n")


@pytest.mark.parametrize("trouble", PASSING, ids=lambda trouble: trouble.source)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_what_is_not_known_everywhere_yet_is_tried_again(trouble: GoogleTrouble, stream: str) -> None:
    """Google's own words for it, as they come after a grant, an account or an API of a moment ago, on either stream."""
    text = f"ERROR: {trouble.seen}"
    said = CommandEnd(exit_code=1, stdout=text if stream == "stdout" else "", stderr=text if stream == "stderr" else "")
    terminal = cloud(said, said, _FINE)
    await terminal.do(terminal.gcloud("functions", "deploy", "one"))


@pytest.mark.parametrize(
    "text",
    [
        "Cannot find metric that matches type = logging.googleapis.com/user/dead_letters",
        "Unknown service account",
        "HTTP Error: 503, The service is currently unavailable.",
        "googleapi: Error 409: unable to queue the operation",
    ],
)
async def test_older_wordings_are_waited_for_as_well(text: str) -> None:
    """What Google said before, and what the Firebase CLI makes of it."""
    terminal = cloud(error(text), _FINE)
    await terminal.do(terminal.gcloud("functions", "deploy", "one"))


def test_a_deployment_waits_longer_than_a_new_metric_takes() -> None:
    """Google says ten minutes; five more are added."""
    assert begin.PATIENCE_SECONDS >= 900


@pytest.mark.parametrize("trouble", LASTING, ids=lambda trouble: trouble.source)
async def test_what_only_a_person_can_end_is_reported_at_once_with_its_remedy(trouble: GoogleTrouble) -> None:
    """Also where its text has the code of a trouble that passes."""
    terminal = cloud(error(f"RESOURCE_EXHAUSTED: {trouble.seen}"), _FINE)
    with pytest.raises(CommandFailed, match="night-shift") as told:
        await terminal.do(terminal.gcloud("functions", "deploy", "one"))
    assert told.value.trouble is trouble
    assert trouble.remedy.format(project="night-shift") in str(told.value)


async def test_the_firebase_clis_error_is_reported_though_it_stands_on_the_other_stream() -> None:
    """After any amount of progress; where no line begins an error, the last ones are reported."""
    progress = "\n".join(f"i  deploying {number}" for number in range(50))
    for said in (f"{progress}\n\nError: Request had HTTP Error: 403\n", f"{progress}\nthe rules do not compile\n"):
        terminal = cloud(CommandEnd(exit_code=1, stdout=said, stderr=""))
        with pytest.raises(DeployError, match=r"403|do not compile") as told:
            await terminal.do(terminal.gcloud("functions", "deploy", "one"))
        assert "deploying 1\n" not in str(told.value)


async def test_every_program_is_charged_to_the_project_and_acts_by_its_credentials_alone(tmp_path: Path) -> None:
    """The Firebase CLI finds the project to charge, and neither a token nor a user who has logged in elsewhere."""
    caller = {"PATH": os.environ["PATH"], "FIREBASE_TOKEN": "1//other", "XDG_CONFIG_HOME": "/home/ops/.config"}
    shell = Processes(tmp_path, "night-shift", caller)
    said = json.loads((await shell.run(ShellCommand(arguments=("python3", "-c", _ENVIRONMENT)))).stdout)
    assert said["GOOGLE_CLOUD_QUOTA_PROJECT"] == "night-shift"
    assert "FIREBASE_TOKEN" not in said
    assert Path(said["XDG_CONFIG_HOME"]).is_relative_to(tmp_path)


async def test_an_error_is_reported_at_once_and_without_the_progress_before_it() -> None:
    """With the command, so that a person can repeat it."""
    terminal = cloud(error("build failed: no module named nightshift"), _FINE)
    with pytest.raises(DeployError, match=r"gcloud functions deploy one .*build failed") as told:
        await terminal.do(terminal.gcloud("functions", "deploy", "one"))
    assert "Preparing" not in str(told.value)


@pytest.mark.parametrize("text", ["SERVICE_DISABLED", "NOT_FOUND: Requested entity was not found."])
async def test_what_is_not_there_is_nothing(text: str) -> None:
    """An API that is not enabled has nothing in it either."""
    assert await cloud(error(text)).look("secrets", "list") is None


async def test_a_look_that_fails_is_not_taken_for_nothing() -> None:
    """Otherwise a deployment would make anew what it only could not see."""
    with pytest.raises(DeployError, match="PERMISSION_DENIED"):
        await cloud(error("PERMISSION_DENIED")).look("secrets", "list")


async def test_a_secret_that_cannot_be_compared_is_reported_without_a_word_of_the_answer() -> None:
    """Whatever gcloud printed."""
    with pytest.raises(DeployError) as told:
        await cloud(CommandEnd(exit_code=1, stdout="sk-marked", stderr="sk-marked")).read(
            "secrets", "versions", "access"
        )
    assert "sk-marked" not in str(told.value)
