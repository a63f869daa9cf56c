"""The whole stack with small functions of its own: it is ready, joined, clean, and gone when it should be."""

import asyncio
import base64
import json
import os
import re
import shlex
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from local.errors import StackError
from local.grant import grant_tokens
from local.part import ROOT
from local.stack import Options, running_stack
from local.tokens import unsigned_token
from nightshift import functions
from nightshift.functions import FUNCTIONS as TABLE
from nightshift.functions import Function
from tests.local.test_leash import descendants, gone, ps
from tests.support.patience import PATIENCE_SECONDS, patience

# Each function writes down what it received, one JSON line per event.
FUNCTIONS = """
import json, os
from pathlib import Path
import functions_framework.aio as framework

HERE = Path(__file__).parent

def write_down(name, event):
    with (HERE / f"{name}.jsonl").open("a") as events:
        events.write(json.dumps({"document": event.get("document"), "data": repr(event.data)}) + "\\n")

@framework.cloud_event
async def on_ai_job_created(event):
    write_down("created", event)

@framework.cloud_event
async def answer_instant_jobs(event):
    write_down("sweep", event)

@framework.cloud_event
async def process_batch_jobs(event):
    write_down("tick", event)

@framework.cloud_event
async def ingest_batch_results(event):
    write_down("call", event)

@framework.http
async def openai_webhook(request):
    return {}

@framework.http
async def get_batch_stats(request):
    return dict(os.environ)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Small functions, in a folder of their own."""
    path = tmp_path / "main.py"
    path.write_text(FUNCTIONS + "".join(map(_quiet, (one for one in TABLE if f"def {one.target}(" not in FUNCTIONS))))
    return path


def _quiet(function: Function) -> str:
    """A function of the table of which no test here asks anything."""
    kind, parameter, answer = ("cloud_event", "event", "None") if function.takes_events else ("http", "request", "{}")
    return f"\n@framework.{kind}\nasync def {function.target}({parameter}):\n    return {answer}\n"


def written(path: Path) -> list[dict[str, str]]:
    """What a function has written down by now; a line that is not whole yet is left out."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


async def lines_of(path: Path) -> list[dict[str, str]]:
    """What a function wrote down, as soon as there is something."""
    async with patience():
        while not (lines := written(path)):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
    return lines


async def test_every_part_is_ready_and_joined(source: Path) -> None:
    """A document reaches its function, a tick reaches its own, buckets exist, and the environment is clean."""
    said: list[str] = []
    options = Options(
        project="demo-joined",
        speed=600,
        source=source,
        settings={"NIGHTSHIFT_MODEL": "gpt-test"},
        caller={**os.environ, "SECRET_OF_THE_CALLER": "1", "OPENAI_WEBHOOK_SECRET": "whsec_real"},
    )
    async with (
        running_stack(options, say=said.append) as stack,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        assert sum("ready after" in line for line in said) == len(functions.FUNCTIONS) + 4

        await grant_tokens(stack.firestore_host, stack.project, "alice", 20)
        documents = f"http://{stack.firestore_host}/v1/projects/{stack.project}/databases/(default)/documents"
        as_owner = {"Authorization": "Bearer owner"}
        wallet = (await client.get(f"{documents}/wallets/alice", headers=as_owner)).json()
        entry = (await client.get(f"{documents}/wallets/alice/ledger/welcome", headers=as_owner)).json()
        assert wallet["fields"]["balance"] == entry["fields"]["amount"] == {"integerValue": "20"}

        job = {"fields": {"status": {"stringValue": "created"}}}
        await client.post(f"{documents}/ai_jobs", params={"documentId": "one"}, json=job, headers=as_owner)
        created = await lines_of(source.parent / "created.jsonl")
        assert [event["document"] for event in created] == ["ai_jobs/one"]

        [tick, *_] = await lines_of(source.parent / "tick.jsonl")
        assert "demo-joined/subscriptions/nightshift-tick-push" in tick["data"]

        subscriptions = f"http://{stack.pubsub_host}/v1/projects/{stack.project}/subscriptions"
        calls = (await client.get(f"{subscriptions}/nightshift-ingest-push")).json()
        assert calls["deadLetterPolicy"]["deadLetterTopic"].endswith("/topics/nightshift-dead-letters")
        kept = (await client.get(f"{subscriptions}/nightshift-dead-letters")).json()
        assert kept["topic"] == calls["deadLetterPolicy"]["deadLetterTopic"]
        assert "deadLetterPolicy" not in (await client.get(f"{subscriptions}/nightshift-tick-push")).json()

        buckets = (await client.get(f"{stack.storage_url}/storage/v1/b")).json()["items"]
        assert {bucket["name"] for bucket in buckets} == set(stack.buckets)
        assert stack.buckets == ("demo-joined-nightshift", "demo-joined.firebasestorage.app")

        models = await client.get(
            f"{stack.openai_base_url}/batches", headers={"Authorization": f"Bearer {stack.openai_api_key}"}
        )
        assert models.status_code == 200

        seen = (await client.get(stack.function_urls["get_batch_stats"])).json()
        secrets = {"OPENAI_API_KEY", "OPENAI_WEBHOOK_SECRET"}
        assert {one: text for one, text in stack.environment.items() if one not in secrets}.items() <= seen.items()
        assert not secrets & seen.keys()
        assert seen["NIGHTSHIFT_MODEL"] == "gpt-test"
        assert "FIREBASE_AUTH_EMULATOR_HOST" in seen
        assert "SECRET_OF_THE_CALLER" not in seen
        # All are children of one process, which has imported for them.
        forked = re.findall(r"is process (\d+)", await asyncio.to_thread((stack.log_dir / "functions.log").read_text))
        assert len(forked) == len(functions.FUNCTIONS)
        assert len({*(await ps("-o", "ppid=", "-p", ",".join(forked))).split()}) == 1
    assert not is_there(stack.log_dir)


async def test_a_function_that_does_not_import_is_a_clear_error_with_its_log(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the function and ends with the exception; nothing is left running, and the logs stay."""
    rewrite(source, "import a_module_that_is_not_there\n")
    monkeypatch.setattr("tempfile.tempdir", str(source.parent))
    before = await descendants(os.getpid())

    with pytest.raises(StackError) as caught:
        async with running_stack(Options(source=source), say=lambda _line: None):
            pass

    sentence = str(caught.value)
    assert re.match(
        rf"({'|'.join(function.target for function in functions.FUNCTIONS)}) stopped before",
        sentence,
    )
    assert "No module named 'a_module_that_is_not_there'" in sentence
    await gone(await descendants(os.getpid()) - before)


@asynccontextmanager
async def up(source: Path) -> AsyncIterator[tuple[Process, set[int], str]]:
    """`python -m local.up`, when it is ready: the process, all that it started, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.up", "--source", str(source)),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(source.parent)},
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout
        printed = ""
        async with patience():
            while "Ctrl-C stops everything." not in printed:
                line = await process.stdout.readline()
                assert line, printed
                printed += line.decode()
        yield process, await descendants(process.pid), printed
    finally:
        if process.returncode is None:
            process.kill()


def rewrite(path: Path, text: str) -> None:
    """Replace a file's text."""
    path.write_text(text)


def is_there(path: Path) -> bool:
    """Whether a file or folder exists."""
    return path.exists()


def log_dir(printed: str) -> Path:
    """Where the logs are, as the stack has told."""
    return Path(printed.partition("Logs: ")[2].partition("\n")[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_stack_stops_at_once_and_leaves_nothing(source: Path, number: signal.Signals) -> None:
    """One line, exit code 0, no process and no logs."""
    async with up(source) as (process, started, printed):
        assert len(started) >= 8
        assert_it_tells_how_an_app_connects(printed)

        process.send_signal(number)
        rest = (await process.communicate())[0].decode()

        assert (process.returncode, rest.strip()) == (0, "Stopped.")
        await gone(started)
        assert not is_there(log_dir(printed))


def assert_it_tells_how_an_app_connects(printed: str) -> None:
    """In four languages, with the ports on which Auth, Firestore and Storage listen; and who answers, and signs in."""
    ports = dict(
        re.findall(r"^  (Firebase Auth|Firestore|Firebase Storage) +127\.0\.0\.1:(\d+)", printed, re.MULTILINE)
    )
    auth, firestore, storage = (ports[part] for part in ("Firebase Auth", "Firestore", "Firebase Storage"))
    for line in (
        f'connectAuthEmulator(auth, "http://127.0.0.1:{auth}");',
        f'connectFirestoreEmulator(db, "127.0.0.1", {firestore});',
        f'connectStorageEmulator(storage, "127.0.0.1", {storage});',
        f'await FirebaseStorage.instance.useStorageEmulator("127.0.0.1", {storage});',
        f'Auth.auth().useEmulator(withHost: "127.0.0.1", port: {auth})',
        f'Firebase.firestore.useEmulator("10.0.2.2", {firestore})',
        "No model is asked: a stand-in answers",
        "Sign in as alice@example.com",
    ):
        assert line in printed
    pasted = ("TOKEN=", "  export ", "Authorization", "http://127.0.0.1", '"name"', "FirebaseFirestore", "Logs:")
    too_wide = [one for one in printed.splitlines() if len(one) > 80 and not any(text in one for text in pasted)]
    assert not too_wide


async def test_a_killed_stack_leaves_no_process(source: Path) -> None:
    """SIGKILL gives the stack no moment to stop its parts; their leashes do."""
    async with up(source) as (process, started, _printed):
        process.kill()
        await process.wait()

        await gone(started)


async def assert_a_shell_with_the_printed_lines_is_an_operators(printed: str) -> None:
    """Every command that only looks works with the block of `export` lines, and nothing else."""
    exported = dict(re.findall(r"^  export (\w+)=(.*)$", printed, re.MULTILINE))
    assert "OPENAI_WEBHOOK_SECRET" not in exported
    basics = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    variables = {name: shlex.split(value)[0] for name, value in exported.items()}
    for arguments in (["stats"], ["user", "alice"], ["jobs"], ["batches"], ["bill"], ["audit"]):
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", *arguments),
            env={**basics, **variables, "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}"},
            stdout=PIPE,
            stderr=PIPE,
        )
        output, complaints = await command.communicate()
        assert (command.returncode, complaints) == (0, b"")
        assert output.startswith(b"Project demo-nightshift, on the emulator at 127.0.0.1:")


async def assert_the_runbooks_first_admin_gets_in(printed: str) -> None:
    """OPERATIONS.md's lines, with this stack's addresses in place of Google's: alice becomes an admin, and asks."""
    page = (ROOT / "docs" / "OPERATIONS.md").read_text().partition("### The first admin")[2]
    lines = page.partition("```sh\n")[2].partition("```")[0]
    auth = re.search(r"^  Firebase Auth +(\S+)", printed, re.MULTILINE)
    stats_url = re.search(r"(http://\S+) \\\n +-H 'Authorization: Bearer", printed)
    assert auth
    assert stats_url
    for word, here in (
        ("https://identitytoolkit.googleapis.com", f"http://{auth[1]}/identitytoolkit.googleapis.com"),
        ("$(gcloud auth print-access-token)", "owner"),
        ('"localId": "UID"', '"localId": "alice"'),
        ("admin@example.com", "alice@example.com"),
        ('"PASSWORD"', '"nightshift"'),
        ("https://$REGION-$PROJECT.cloudfunctions.net/getBatchStats", stats_url[1]),
    ):
        assert word in lines
        lines = lines.replace(word, here)
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", lines, env={**os.environ, "PROJECT": "demo-nightshift", "NO_PROXY": "*"}, stdout=PIPE, stderr=PIPE
    )
    output, complaints = await shell.communicate()
    # This stack's functions say what they see; what the real one answers is in tests/operator/test_jobs_and_user.py.
    assert b'"FUNCTION_TARGET":"get_batch_stats"' in output, complaints


async def test_a_part_that_dies_later_is_reported_and_ends_the_stack(source: Path) -> None:
    """A stack without one of its parts would only puzzle: it says which one, keeps the logs, and stops."""
    async with up(source) as (process, started, printed):
        await assert_the_runbooks_first_admin_gets_in(printed)
        await assert_a_shell_with_the_printed_lines_is_an_operators(printed)
        await kill_function("get_batch_stats", log_dir(printed), started)

        rest = (await process.communicate())[0].decode()

        assert process.returncode == 1
        assert "get_batch_stats stopped by itself" in rest
        await gone(started)
        assert is_there(log_dir(printed))


async def kill_function(target: str, logs: Path, among: set[int]) -> None:
    """Kill a function's process, and the one in which its server works."""
    told = await asyncio.to_thread((logs / "functions.log").read_text)
    (pid,) = map(int, re.findall(rf"'--target', '{target}'.* is process (\d+)", told))
    assert pid in among
    for one in {pid} | await descendants(pid):
        os.kill(one, signal.SIGKILL)


def test_an_unsigned_token_carries_what_firebase_checks() -> None:
    """Three parts, the last one empty; the claims are those of a real ID token."""
    header, payload, signature = unsigned_token("demo", "alice", admin=True).split(".")

    claims = httpx.Response(200, content=_decoded(payload)).json()
    assert json.loads(_decoded(header))["alg"] == "none"
    assert signature == ""
    assert (claims["sub"], claims["user_id"], claims["aud"]) == ("alice", "alice", "demo")
    assert claims["iss"] == "https://securetoken.google.com/demo"
    assert claims["iat"] <= time.time() < claims["exp"]
    assert claims["admin"] is True


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
