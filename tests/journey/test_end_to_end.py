"""Everything as a newcomer meets it: the demo, the README's JavaScript, and each function started alone."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from local.part import ROOT
from local.ports import free_ports
from local.serve import serving
from tests.support.other_provider import OtherProvider
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import answers, clean_environment, deliver, function_environment, start_function
from tests.support.world import World

APP = ROOT / "tests" / "javascript"


async def test_the_demo_keeps_all_its_promises() -> None:
    """`make demo` exits 0, and shows answers at both speeds, every kind of failure, a refund, and the statistics."""
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.demo", cwd=ROOT, stdout=PIPE, stderr=STDOUT, env=clean_environment()
    )
    try:
        printed = (await asyncio.wait_for(demo.communicate(), PATIENCE_SECONDS))[0].decode()
    finally:
        if demo.returncode is None:
            demo.kill()

    assert demo.returncode == 0, printed
    for expected in ("All kept", "unknown_job_type", "forbidden_image", "insufficient_tokens", "401", "403"):
        assert expected in printed
    assert '"total": 37' in printed
    for lane in ("openai:gpt-5-mini", "anthropic:claude-haiku-4-5", "gemini:gemini-2.5-flash"):
        assert lane in printed
    for of_bulk in ("Quote: 497 items for 497 tokens", "500/500", "results.csv: 500 rows", "rows 100, 200, 300"):
        assert of_bulk in printed
    assert "To: dana@example.com" in printed
    assert "token counts that the stand-in made up" in printed
    speeds = {
        words[0]: words for words in map(str.split, printed.splitlines()) if words[:1] in (["batch"], ["instant"])
    }
    assert [speeds[speed][1:3] for speed in ("batch", "instant")] == [["5", "1"], ["5", "5"]]
    # On a busy machine a tick may be faster for some; each batch says who saw its end.
    assert printed.count("openai_webhook ") > 1
    assert " min later" in printed
    assert "Traceback" not in printed


async def test_each_function_works_alone_against_another_compatible_server(world: World) -> None:
    """Started by functions-framework with the documented environment, against a server that is not ours."""
    provider = OtherProvider()
    async with serving(provider.app) as address, functions(world, f"http://{address}/v1") as urls:
        await world.give("alice", 3)
        job_ids = [await world.write("alice") for _ in range(3)]
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
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


async def test_a_wrong_setting_stops_the_start_and_names_itself(world: World) -> None:
    """The last line that the process prints says what is wrong; no value, which could be a key, is shown."""
    environment = function_environment(world, world.base_url) | {"OPENAI_WEBHOOK_SECRET": "whsec_test-key"}
    function = await start_function("openai_webhook", free_ports(1)[0], environment)

    printed = (await asyncio.wait_for(function.communicate(), PATIENCE_SECONDS))[0].decode()

    assert function.returncode
    assert "OPENAI_WEBHOOK_SECRET" in printed.splitlines()[-1]
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
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            for port in ports.values():
                await answers(client, f"http://127.0.0.1:{port}/robots.txt")
        yield {target: f"http://127.0.0.1:{port}" for target, port in ports.items()}
