"""Everything as a newcomer meets it: the demo, the README's JavaScript, and each function started alone."""

import asyncio
import re
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from local.app_user import AppUser
from local.grant import grant_tokens
from local.part import ROOT
from local.ports import free_ports
from local.serve import serving
from local.stack import Options, Stack, running_stack
from tests.support import app_page
from tests.support.other_provider import OtherProvider
from tests.support.processes import answers, clean_environment, deliver, function_environment, start_function
from tests.support.world import World

APP = ROOT / "tests" / "javascript"


async def test_the_demo_keeps_all_its_promises() -> None:
    """`make demo` exits 0, and shows answers at both speeds, every kind of failure, a refund, and the statistics."""
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.demo", cwd=ROOT, stdout=PIPE, stderr=STDOUT, env=clean_environment()
    )
    printed = (await asyncio.wait_for(demo.communicate(), 90))[0].decode()

    assert demo.returncode == 0, printed
    for expected in ("All kept", "unknown_job_type", "forbidden_image", "insufficient_tokens", "401", "403"):
        assert expected in printed
    assert '"total": 33' in printed
    assert "token counts that the stand-in made up" in printed
    speeds = {
        words[1]: words for words in map(str.split, printed.splitlines()) if words[1:2] in (["batch"], ["instant"])
    }
    assert [speeds[speed][3:6:2] for speed in ("batch", "instant")] == [["5", "1"], ["5", "5"]]
    # On a busy machine a tick may be faster for some; each batch says who saw its end.
    assert printed.count("openai_webhook ") > 1
    assert " minutes later " in printed
    assert "Traceback" not in printed


@pytest.mark.timeout(300)
async def test_the_pages_javascript_signs_in_uploads_writes_a_job_and_hears_the_answer(tmp_path: Path) -> None:
    """The README's and docs/APP.md's, as pasted, with the Firebase SDK from npm, against the whole stack and its rules.

    Only the ports are others, since test runs share a computer. Each list of the page is asked, too.
    """
    assert (APP / "node_modules").is_dir(), "run `make test`, which installs the Firebase SDK"
    async with running_stack(Options(speed=300, welcome_tokens=20), say=lambda _: None) as stack:
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


async def test_in_the_local_stack_an_answer_comes_without_any_tick() -> None:
    """With a clock that hardly moves, the provider's webhook alone brings the answer in."""
    async with (
        running_stack(Options(speed=0.001), say=lambda _: None) as stack,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await grant_tokens(stack.firestore_host, stack.project, "alice", 1)
        alice = AppUser(client, stack, "alice")
        await alice.write_job("one", "waste_classification", {"text": "an empty glass bottle"})
        async with asyncio.timeout(30):
            while (await alice.own("ai_jobs"))["one"]["status"] != "completed":  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)


async def test_each_function_works_alone_against_another_compatible_server(world: World) -> None:
    """Started by functions-framework with the documented environment, against a server that is not ours."""
    provider = OtherProvider()
    async with serving(provider.app) as address, functions(world, f"http://{address}/v1") as urls:
        await world.give("alice", 3)
        job_ids = [await world.write("alice") for _ in range(3)]
        async with httpx.AsyncClient(timeout=30) as client:
            for job_id in job_ids:
                assert await deliver(client, urls["on_ai_job_created"], "firestore.document.v1.created", job_id) == 200
            assert await deliver(client, urls["process_batch_jobs"], "pubsub.topic.v1.messagePublished") == 200
            provider.finish()
            assert await deliver(client, urls["process_batch_jobs"], "pubsub.topic.v1.messagePublished") == 200
            stats = await client.get(urls["get_batch_stats"])
    assert {job["status"] for job in (await world.jobs()).values()} == {"completed"}
    assert stats.json().items() >= {"queued": 0, "processing": 0, "completed": 3, "failed": 0, "total": 3}.items()
    assert not provider.files
    assert not await world.open_batches()


@pytest.mark.parametrize(
    ("target", "wrong", "names"),
    [
        ("process_batch_jobs", {"NIGHTSHIFT_MAX_ATTEMPTS": "none"}, "NIGHTSHIFT_MAX_ATTEMPTS"),
        ("process_batch_jobs", {"NIGHTSHIFT_COALESCE_SECONDS": "-1"}, "NIGHTSHIFT_COALESCE_SECONDS"),
        ("on_ai_job_created", {"NIGHTSHIFT_MAX_JOBS_PER_DAY": "-1"}, "NIGHTSHIFT_MAX_JOBS_PER_DAY"),
        ("process_batch_jobs", {"NIGHTSHIFT_DAILY_BUDGET_USD": "inf"}, "NIGHTSHIFT_DAILY_BUDGET_USD"),
        ("process_batch_jobs", {"NIGHTSHIFT_MODELL": "gpt-5"}, "NIGHTSHIFT_MODELL"),
        ("process_batch_jobs", {"NIGHTSHIFT_IMAGE_HOSTS": "localhost"}, "NIGHTSHIFT_IMAGE_HOSTS"),
        ("process_batch_jobs", {"NIGHTSHIFT_IMAGE_HOSTS": "cdn.example.com,"}, "NIGHTSHIFT_IMAGE_HOSTS"),
        ("process_batch_jobs", {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
        ("on_ai_job_created", {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
        ("ingest_batch_results", {"OPENAI_API_KEY": ""}, "OPENAI_API_KEY"),
        ("openai_webhook", {"OPENAI_WEBHOOK_SECRET": ""}, "OPENAI_WEBHOOK_SECRET"),
        ("openai_webhook", {"OPENAI_WEBHOOK_SECRET": "whsec_"}, "OPENAI_WEBHOOK_SECRET"),
        ("openai_webhook", {"OPENAI_WEBHOOK_SECRET": "whsec_test-key"}, "OPENAI_WEBHOOK_SECRET"),
        ("get_batch_stats", {"GOOGLE_CLOUD_PROJECT": ""}, "GOOGLE_CLOUD_PROJECT"),
        ("get_batch_stats", {"K_SERVICE": "get-batch-stats"}, "FIREBASE_AUTH_EMULATOR_HOST"),
    ],
)
async def test_a_wrong_setting_stops_the_start_and_names_itself(
    world: World, target: str, wrong: dict[str, str], names: str
) -> None:
    """Nobody has to search a log for what is wrong; and no value, which could be a key, is shown."""
    environment = function_environment(world, world.base_url) | wrong
    function = await start_function(target, free_ports(1)[0], environment)

    printed = (await asyncio.wait_for(function.communicate(), 30))[0].decode()

    assert function.returncode
    assert names in printed.splitlines()[-1]
    assert "test-key" not in printed


@asynccontextmanager
async def functions(world: World, base_url: str) -> AsyncIterator[dict[str, str]]:
    """The three functions, each in a process of its own; yields their URLs."""
    targets = ("on_ai_job_created", "process_batch_jobs", "get_batch_stats")
    ports = dict(zip(targets, free_ports(len(targets)), strict=True))
    async with AsyncExitStack() as closing:
        for target, port in ports.items():
            settings = {"NIGHTSHIFT_STATS_PUBLIC": "true"} if target == "get_batch_stats" else {}
            process = await start_function(target, port, function_environment(world, base_url) | settings)
            closing.push_async_callback(process.wait)
            closing.callback(process.terminate)
        async with httpx.AsyncClient() as client:
            for port in ports.values():
                await answers(client, f"http://127.0.0.1:{port}/robots.txt")
        yield {target: f"http://127.0.0.1:{port}" for target, port in ports.items()}


async def heard_until(process: Process, last: bytes) -> list[str]:
    """The lines that a process prints, up to the first that begins with `last`; then the process is stopped."""
    assert process.stdout
    heard = []
    try:
        async with asyncio.timeout(60):
            async for line in process.stdout:
                heard.append(line.decode().strip())
                if line.startswith(last):
                    return heard
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    raise AssertionError("\n".join(heard))
