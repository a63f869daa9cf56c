"""A function as the buildpack starts it: the bare command, the packages of requirements.txt, Eventarc's protobuf body.

Cloud Functions runs Python 3.12 (`--runtime` of the deployment). Where the machine has it, a function is started by it,
with the pinned packages and no other; else by the Python of the tests alone.
"""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path

import httpx
import pytest
from google.cloud.firestore_v1.types import Document

from deploy.steps.functions import RUNTIME
from local.part import ROOT
from local.ports import free_ports
from nightshift.functions import FUNCTIONS
from tests.support.log_entries import entries
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import answers, function_environment
from tests.support.world import World

DEPLOYED = f"python{RUNTIME.removeprefix('python')[0]}.{RUNTIME.removeprefix('python')[1:]}"
_FIRST_FIELD = b"\x0a"


async def deployed_interpreter() -> str | None:
    """Where Python is in the version that is deployed: on the path, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    version = DEPLOYED.removeprefix("python")
    for found in (shutil.which(DEPLOYED), *map(str, sorted(pyenv.glob(f"{version}.*/bin/{DEPLOYED}")))):
        if found:
            # A shim may stand for a version that is not there.
            trying = await asyncio.create_subprocess_exec(found, "-c", "", stdout=DEVNULL, stderr=DEVNULL)
            if await trying.wait() == 0:
                return found
    return None


async def deployed_python(folder: Path) -> Path:
    """The programs of the deployed Python with the pinned packages, made by the hashes as the buildpack does."""
    interpreter = await deployed_interpreter()
    if interpreter is None:
        pytest.skip(f"{DEPLOYED} is not on this machine")
    uv = str(Path(sys.executable).with_name("uv"))
    requirements = str(ROOT / "functions" / "requirements.txt")
    for command in (
        (uv, "venv", "--quiet", "--python", interpreter, str(folder)),
        # A company's proxy has a certificate that only the machine knows; pip looks there by itself.
        (uv, "pip", "install", "--quiet", "--system-certs", "--python", folder, "--require-hashes", "-r", requirements),
    ):
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
    return folder / "bin"


def document_event(name: str) -> bytes:
    """A `DocumentEventData` that holds the created document alone: its first field is `value`."""
    document = bytes(Document.serialize(Document(name=name)))
    assert len(document) < 128
    return _FIRST_FIELD + bytes([len(document)]) + document


@pytest.mark.parametrize("python", ["deployed", "here"])
async def test_the_buildpacks_bare_command_takes_an_event_of_eventarc(
    world: World, tmp_path: Path, python: str
) -> None:
    """It finds the target by its variables; the job is queued, and each line of the log is one of ours."""
    programs = Path(sys.executable).parent if python == "here" else await deployed_python(tmp_path / "venv")
    source = tmp_path / "workspace"
    ignored = shutil.ignore_patterns("__pycache__")
    await asyncio.to_thread(shutil.copytree, ROOT / "functions", source, ignore=ignored)
    (function,) = (one for one in FUNCTIONS if one.target == "on_ai_job_created")
    job_id, (port,) = await world.write("alice"), free_ports(1)
    await world.give("alice", 1)
    environment = {
        **function_environment(world, world.base_url),
        "FUNCTION_TARGET": function.target,
        "FUNCTION_SIGNATURE_TYPE": "cloudevent",
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        "NIGHTSHIFT_COALESCE_SECONDS": "3600",
    }
    environment = {name: value for name, value in environment.items() if name not in {"OPENAI_WEBHOOK_SECRET"}}
    process = await asyncio.create_subprocess_exec(
        str(programs / "functions-framework"), cwd=source, env=environment, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            url = f"http://127.0.0.1:{port}/"
            await answers(client, url)
            headers = {
                "ce-id": "event-1",
                "ce-specversion": "1.0",
                "ce-type": "google.cloud.firestore.document.v1.created",
                "ce-source": f"//firestore.googleapis.com/projects/{world.project}/databases/(default)",
                "ce-document": f"ai_jobs/{job_id}",
                "content-type": "application/protobuf",
            }
            name = f"projects/{world.project}/databases/(default)/documents/ai_jobs/{job_id}"
            answer = await client.post(url, headers=headers, content=document_event(name))
    finally:
        process.terminate()
    printed = (await process.communicate())[0].decode()

    assert answer.status_code == 200, printed
    assert (await world.job(job_id))["tokensSpent"] == 1
    assert "job_queued" in {entry.get("jsonPayload", {}).get("message") for entry in entries(printed)}
