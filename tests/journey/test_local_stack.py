"""The local stack as its user meets it: one stack for all of these tests, with the real functions.

Its clock hardly moves, so no answer waits for a tick; and a server without batches answers, as on a computer with
models of its own. The tests share its database: each has a user of its own.
"""

import asyncio
import re
import shutil
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.answering import who_answers
from local.app_user import AppUser
from local.grant import grant_tokens
from local.openai_server import OpenAIServer
from local.part import ROOT
from local.serve import serving
from local.stack import Options, Stack, running_stack
from tests.support import app_page
from tests.support.patience import PATIENCE_SECONDS, patience
from tests.support.processes import clean_environment

APP = ROOT / "tests" / "javascript"

pytestmark = pytest.mark.asyncio(loop_scope="module")


class ModelServer:
    """An OpenAI-compatible server that knows chat completions and no batches; `asked` are its calls."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])
        self._answerer = OpenAIServer()
        self._answerer_url = ""

    async def start(self, closing: AsyncExitStack) -> str:
        """Serve until the exit stack is closed; returns HOST:PORT."""
        self._answerer_url = await closing.enter_async_context(self._answerer.serve())
        return await closing.enter_async_context(serving(self.app))

    async def _complete(self, request: Request) -> Response:
        self.asked.append(request)
        body = await request.json()
        assert {"max_completion_tokens", "response_format"} <= body.keys()
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            answer = await client.post(
                f"{self._answerer_url}/chat/completions", json=body, headers={"Authorization": "Bearer any"}
            )
        return JSONResponse(answer.json(), answer.status_code)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models() -> AsyncIterator[ModelServer]:
    """The server that answers."""
    yield ModelServer()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(models: ModelServer) -> AsyncIterator[Stack]:
    """The whole stack."""
    async with AsyncExitStack() as closing:
        address = await models.start(closing)
        answering = await who_answers({"OPENAI_BASE_URL": f"http://{address}/v1", "OPENAI_API_KEY": "sk-theirs"})
        assert "It has no /batches" in answering.sentence
        options = Options(
            speed=0.001,
            answering=answering,
            # No job waits for a batch that is about to be filled: a tick would have to send it.
            settings={"NIGHTSHIFT_COALESCE_SECONDS": "0"},
            welcome_tokens=20,
        )
        yield await closing.enter_async_context(running_stack(options, say=lambda _: None))


async def test_an_answer_comes_without_any_tick(stack: Stack) -> None:
    """The provider's webhook alone brings the answer in."""
    await _answered(stack, "uma", batch="one")


async def test_a_server_without_batches_answers_batch_jobs_too(stack: Stack, models: ModelServer) -> None:
    """The local server keeps the batches, and asks that server, with its key, for each answer."""
    models.asked.clear()

    await _answered(stack, "bob", batch="two", instant="three")

    assert [request.headers["authorization"] for request in models.asked] == ["Bearer sk-theirs"] * 2


async def test_the_pages_javascript_signs_in_uploads_writes_a_job_and_hears_the_answer(
    stack: Stack, tmp_path: Path
) -> None:
    """The README's and docs/APP.md's, as pasted, with the Firebase SDK from npm, against the whole stack and its rules.

    Only the ports are others, since test runs share a computer. Each list of the page is asked, too.
    """
    assert (APP / "node_modules").is_dir(), "run `make test`, which installs the Firebase SDK"
    who = {"localId": "alice", "email": "alice@example.com", "password": "nightshift"}
    stack.users.admin.create(who)
    await grant_tokens(stack.firestore_host, stack.project, "alice", 20)
    await asyncio.to_thread(_write_app, tmp_path, stack)

    heard = await _heard(tmp_path, "readme.js", b"answered:")
    assert [line for line in heard if line.startswith("waiting:")]
    assert heard[-1].split()[1] in {"wet", "dry", "hazardous", "medical", "non_waste"}

    heard = await _heard(tmp_path, "app.js", b"tokens left:", "photo.jpg")
    assert [line.partition(":")[0] for line in heard if not line.startswith("waiting:")] == [
        *("answered", "told", "told", "tokens left")
    ]
    assert heard[-1] == "tokens left: 18"

    heard = await _heard(tmp_path, "lists.check.js", b"done")

    answered = {"newestJobs": 2, "newestAnswers": 2, "newestNotifications": 2, "newestEntries": 3}
    of_kind = {"newestJobsOfStatus": 2, "oldestJobsOfStatus": 2, "newestAnswersOfType": 2, "unreadNotifications": 0}
    assert dict(line.split(": ") for line in heard[:-1]) == {
        **{name: str(number) for name, number in (answered | of_kind).items()},
        "a new user": "denied, then allowed",
        "next page": "1",
    }


# Each list as a signed-in user; what a user who just signed up may do; that an upload elsewhere is denied.
LISTS_CHECK = """
import { createUserWithEmailAndPassword, signInWithEmailAndPassword } from "firebase/auth";
import { getDocs, limit, query } from "firebase/firestore";
import { ref, uploadBytes } from "firebase/storage";
import { auth, storage } from "./firebase.js";
import { writeJob } from "./jobs.js";
import * as lists from "./lists.js";

const { user } = await signInWithEmailAndPassword(auth, "alice@example.com", "nightshift");
const kinds = { OfStatus: "completed", OfType: "waste_classification" };
for (const [name, list] of Object.entries(lists)) {
  if (name === "nextPage") continue;
  const kind = kinds[Object.keys(kinds).find((end) => name.endsWith(end))];
  console.log(`${name}: ${(await getDocs(list(user.uid, kind))).size}`);
}
const first = await getDocs(query(lists.newestJobs(user.uid), limit(1)));
const next = await getDocs(lists.nextPage(lists.newestJobs(user.uid), first.docs[0]));
console.log(`next page: ${next.size}`);

await createUserWithEmailAndPassword(auth, "new@example.com", "nightshift");
const denied = await uploadBytes(ref(storage, "users/alice/mine.png"), new Uint8Array(9), { contentType: "image/png" })
  .then(() => "allowed", (error) => (error.code === "storage/unauthorized" ? "denied" : error.code));
await writeJob("waste_classification", "batch", { text: "a banana peel" });
console.log(`a new user: ${denied}, then allowed`);
console.log("done");
"""


def _write_app(folder: Path, stack: Stack) -> None:
    """The pages' files, with the stack's ports, beside the SDK and a photo."""
    ports = {"8080": stack.firestore_host, "9099": stack.auth_host, "9199": stack.app_storage_host}
    files = app_page.files("js") | {"readme.js": app_page.readme_example("js"), "lists.check.js": LISTS_CHECK}
    for name, code in files.items():
        for port, host in ports.items():
            code = re.sub(rf"\b{port}\b", host.rpartition(":")[2], code)  # noqa: PLW2901
        (folder / name).write_text(code)
    assert ports["9199"].rpartition(":")[2] in (folder / "firebase.js").read_text()
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(APP / "node_modules")
    Image.new("RGB", (64, 64), "seagreen").save(folder / "photo.jpg")


async def _heard(folder: Path, script: str, last: bytes, *arguments: str) -> list[str]:
    """What a script of the app prints, up to the first line that begins with `last`."""
    node = shutil.which("node")
    assert node, "Node.js is missing"
    app = await asyncio.create_subprocess_exec(
        node, script, *arguments, cwd=folder, stdout=PIPE, stderr=STDOUT, env=clean_environment()
    )
    return await heard_until(app, last)


async def _answered(stack: Stack, uid: str, **jobs: str) -> None:
    """Write a job of each speed as this user, and wait until all are answered."""
    await grant_tokens(stack.firestore_host, stack.project, uid, 6)
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        user = AppUser(client, stack, uid)
        for speed, job_id in jobs.items():
            await user.write_job(job_id, "waste_classification", {"text": "an empty glass bottle"}, speed)
        async with patience():
            while {job["status"] for job in (await user.own("ai_jobs")).values()} != {"completed"}:  # noqa: ASYNC110
                await asyncio.sleep(0.2)


async def heard_until(process: Process, last: bytes) -> list[str]:
    """The lines that a process prints, up to the first that begins with `last`; then the process is stopped."""
    assert process.stdout
    heard = []
    try:
        async with patience():
            async for line in process.stdout:
                heard.append(line.decode().strip())
                if line.startswith(last):
                    return heard
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    raise AssertionError("\n".join(heard))
