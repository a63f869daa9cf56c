"""How gcloud's errors are taken: what is not known everywhere yet is waited for, all else is told at once."""

from collections.abc import Sequence

import pytest

from deploy.cloud import Cloud
from deploy.command import Command
from deploy.errors import DeployError
from deploy.shell import Answer

_FINE = Answer(exit_code=0, stdout="[]", stderr="")


class Script:
    """A terminal that answers what it is told to, one answer after the other."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.answers = list(answers)

    async def run(self, _: Command) -> Answer:
        """The next answer."""
        return self.answers.pop(0)


def cloud(*answers: Answer) -> Cloud:
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


def error(text: str) -> Answer:
    """A command that failed."""
    return Answer(exit_code=1, stdout="", stderr=f"Preparing...\nERROR: (gcloud.functions.deploy) {text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "Permission denied while using the Eventarc Service Agent. It may take a few minutes.",
        "INVALID_ARGUMENT: Service account nightshift-tick@night-shift.iam.gserviceaccount.com does not exist.",
        "Cloud Pub/Sub API has not been used in project 1 before or it is disabled.",
        "Cannot find metric that matches type = logging.googleapis.com/user/dead_letters",
    ],
)
async def test_what_is_not_known_everywhere_yet_is_tried_again(text: str) -> None:
    """Google's own words for it, as they come after a grant, an account or an API of a moment ago."""
    terminal = cloud(error(text), error(text), _FINE)
    await terminal.do(terminal.gcloud("functions", "deploy", "one"))


async def test_an_error_is_told_at_once_and_without_the_progress_before_it() -> None:
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


async def test_a_secret_that_cannot_be_compared_is_told_without_a_word_of_the_answer() -> None:
    """Whatever gcloud printed."""
    with pytest.raises(DeployError) as told:
        await cloud(Answer(exit_code=1, stdout="sk-marked", stderr="sk-marked")).read("secrets", "versions", "access")
    assert "sk-marked" not in str(told.value)
