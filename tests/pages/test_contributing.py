"""CONTRIBUTING.md: its job type is a whole file, and nothing else is needed."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.app_user import AppUser
from local.demo_jobs import picture
from local.grant import grant_tokens
from local.part import ROOT
from local.refusals import follow_refusals
from local.stack import Options, running_stack
from nightshift import job_types
from nightshift.errors import JobRefused
from tests.job_types import test_job_types as suite
from tests.support.patience import PATIENCE_SECONDS, patience

NAME = "plant_care"


def whole_file() -> str:
    """The page's file."""
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture
def with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file lies in a folder of job types."""
    (tmp_path / f"{NAME}.py").write_text(whole_file())
    monkeypatch.setattr(job_types, "__path__", [*job_types.__path__, str(tmp_path)])
    job_types.registered.cache_clear()
    yield
    job_types.registered.cache_clear()


@pytest.mark.usefixtures("with_the_file")
def test_the_pages_job_type_is_registered_and_passes_the_tests_of_all_job_types() -> None:
    """It is accepted in strict mode, bounded, has its price and its model, and asks for a photo."""
    plant_care = job_types.find(NAME)

    suite.test_every_job_type_is_accepted_in_strict_mode(plant_care)
    suite.test_an_answer_in_which_any_text_is_enormous_is_invalid()
    assert (plant_care.tokens, plant_care.model) == ({"batch": 2, "instant": 8}, "gpt-5-nano")
    with pytest.raises(JobRefused):
        plant_care.check_input({"text": "no photo"})


async def test_a_running_stack_takes_the_file_and_keeps_its_data(tmp_path: Path) -> None:
    """The stack reports a file that does not import, and takes the next one. Earlier documents are still there."""
    source = tmp_path / "functions"
    ignored = shutil.ignore_patterns("__pycache__", f"{NAME}.py")  # a reader may have pasted it
    await asyncio.to_thread(shutil.copytree, ROOT / "functions", source, ignore=ignored)
    file, said = source / "nightshift" / "job_types" / f"{NAME}.py", list[str]()
    options = Options(speed=0.001, source=source / "main.py", follow_changes=True)
    async with (
        running_stack(options, say=said.append) as stack,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        await grant_tokens(stack.firestore_host, stack.project, "alice", 9)
        alice = AppUser(client, stack, "alice")
        photo = await alice.upload("plant.png", picture("plant.png"))
        await alice.write_job("before", NAME, {"imageUri": photo}, "instant")
        await ended(alice, "before")
        # The job's user reads that the app needs an update; the developer, why.
        telling = asyncio.create_task(follow_refusals(stack.function_logs(), said.append))
        await until(said, "Job before refused (unknown_job_type): no job type has this name")
        telling.cancel()

        await save(file, "import a_module_that_is_not_there")
        await until(said, "They start again with the next change.")
        await save(file, whole_file())
        await until(said, "The functions are ready.")
        await alice.write_job("after", NAME, {"imageUri": photo}, "instant")
        job = await ended(alice, "after")
        before = (await alice.own("ai_jobs"))["before"]
    assert "a_module_that_is_not_there" in "\n".join(said)
    assert (before["status"], before["errorCode"]) == ("failed", "unknown_job_type")
    assert (job["status"], job["tokensSpent"], job["lane"]) == (
        "completed",
        8,
        "openai:/v1/chat/completions:gpt-5-nano",
    )
    assert job["result"].keys() == {"plantName", "health", "confidence", "advice"}


async def save(file: Path, code: str) -> None:
    """Write the file."""
    await asyncio.to_thread(file.write_text, code)


async def until(said: list[str], sentence: str) -> None:
    """Wait until the stack has said it."""
    async with patience():
        while not any(line.endswith(sentence) for line in said):  # noqa: ASYNC110 - another task says it
            await asyncio.sleep(0.1)


async def ended(user: AppUser, job_id: str) -> dict[str, Any]:
    """The job, once it has ended."""
    async with patience():
        while True:
            job = (await user.own("ai_jobs")).get(job_id, {})
            if job.get("status") in {"completed", "failed"}:
                return job
            await asyncio.sleep(0.1)
