"""The OpenAI-compatible server as a process of its own."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from openai import APIConnectionError, AsyncOpenAI

from local.serve import serving
from tests.local.test_openai_server_rig import CHAT, jsonl, request_line
from tests.local.test_openai_server_webhooks import ANOTHER_SECRET, Receiver
from tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
FIRST_LINE = re.compile(r"openai-compatible server on (http://127\.0\.0\.1:\d+/v1) \(answers: (.+)\)\n")


def names_in(folder: Path) -> list[str]:
    """What is in a folder."""
    return [path.name for path in folder.iterdir()]


@asynccontextmanager
async def process(temporary: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
    """Start the command; yields the process, its base URL and where the answers come from."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.openai_server", "--port", "0", *arguments),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "UPSTREAM_KEY": "secret"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert started.stdout
        found = FIRST_LINE.fullmatch((await asyncio.wait_for(started.stdout.readline(), PATIENCE_SECONDS)).decode())
        assert found, (await started.communicate())[1].decode()
        yield started, found[1], found[2]
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_serves_and_ends_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    """It runs a batch at its pace, can be given faults, and leaves no file and no complaint when it is stopped."""
    pace = ("--validating", "0.05", "--in-progress", "0.05", "--finalizing", "0.05")
    async with process(tmp_path, "--api-key", "k", *pace) as (server, base_url, answers):
        assert answers == "stand-in, no model is asked"
        async with AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0) as client:
            stored = await client.files.create(file=("a.jsonl", jsonl(request_line("a"))), purpose="batch")
            batch = await client.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h")
            while batch.status != "completed":
                await asyncio.sleep(0.02)
                batch = await client.batches.retrieve(batch.id)
            assert batch.output_file_id
            async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
                fault = {"kind": "request", "method": "GET", "path": "/v1/batches", "reset": True}
                await http.post(base_url.replace("/v1", "/control/faults"), json=fault)
            with pytest.raises(APIConnectionError):
                await client.batches.list()
            await client.batches.list()
        assert names_in(tmp_path)
        server.send_signal(stop)
        assert await asyncio.wait_for(server.wait(), PATIENCE_SECONDS) == 0
        assert server.stderr
        assert await server.stderr.read() == b""
        assert not names_in(tmp_path)


async def test_the_process_tells_a_webhook_url(tmp_path: Path) -> None:
    """With a URL and a secret on its command line it signs what it tells; without the secret it does not start."""
    receiver = Receiver()
    async with serving(receiver.app) as address:
        hook = ("--webhook-url", f"http://{address}/hook")
        async with (
            process(tmp_path, *hook, "--webhook-secret", ANOTHER_SECRET) as (_, base_url, _),
            AsyncOpenAI(api_key="k", base_url=base_url, webhook_secret=ANOTHER_SECRET) as client,
        ):
            stored = await client.files.create(file=("a.jsonl", jsonl(request_line("a"))), purpose="batch")
            await client.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h")
            headers, body = await asyncio.wait_for(receiver.received.get(), PATIENCE_SECONDS)
            assert client.webhooks.unwrap(body, headers).type == "batch.completed"
        refused = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.openai_server", *hook), cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        assert b"--webhook-secret" in (await refused.communicate())[1]
        assert refused.returncode == 2


async def test_one_process_answers_for_another(tmp_path: Path) -> None:
    """With --upstream the line says where answers come from, and the key is read from the environment."""
    async with (
        process(tmp_path, "--api-key", "secret") as (_, upstream_url, _),
        process(tmp_path, "--upstream", upstream_url, "--upstream-key-env", "UPSTREAM_KEY") as (_, base_url, answers),
    ):
        assert answers == f"from {upstream_url}"
        async with AsyncOpenAI(api_key="any", base_url=base_url, max_retries=0) as client:
            completion = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        assert "no model was asked" in (completion.choices[0].message.content or "")
