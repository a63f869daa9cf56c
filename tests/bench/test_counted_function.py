"""A function that counts in its own process, as the burst starts it."""

import asyncio
import os
import sys
from pathlib import Path

import httpx

from bench.billed import Billed
from bench.counted_function import WRITTEN_EVERY_SECONDS, read_counts
from bench.counting import bill, counter
from local.part import ProcessPart, stop
from local.ports import HOST, free_ports
from tests.support.patience import PATIENCE_SECONDS, patience
from tests.support.world import SOURCE, World

_TARGET = "on_ai_job_created"


async def test_a_process_counts_what_the_same_work_is_billed_here(world: World, tmp_path: Path) -> None:
    """Two lone jobs, one admitted and submitted in this process and one in another, cost the same."""
    await world.give("alice", 2)
    with counter():
        job_id = await world.write()
        with bill() as here:
            assert await world.trigger(job_id) == 200
    there = await _billed_in_a_process(await world.write(), tmp_path, here)
    assert (there.writes, there.reads) == (here.writes, here.reads)
    assert there.provider_calls == here.provider_calls
    assert here.writes > 0


async def _billed_in_a_process(job_id: str, folder: Path, expected: Billed) -> Billed:
    (port,) = free_ports(1)
    function = ProcessPart(
        name="counted function",
        address=f"{HOST}:{port}",
        command=[
            *(sys.executable, "-m", "bench.counted_function", str(folder), "--source", str(SOURCE)),
            *("--target", _TARGET, "--host", HOST, "--port", str(port)),
        ],
        environment=os.environ,
        log_dir=folder,
        probe_path="/robots.txt",
    )
    event = {
        "ce-id": "1",
        "ce-source": "//test",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.firestore.document.v1.created",
        "ce-document": f"ai_jobs/{job_id}",
    }
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            await function.ready(client)
            assert (await client.post(f"http://{HOST}:{port}/", headers=event, json={})).status_code == 200
        # The process writes its counts a moment after it has answered; then what it writes stays.
        async with patience():
            while read_counts(folder)[_TARGET].billed.writes < expected.writes:  # noqa: ASYNC110
                await asyncio.sleep(WRITTEN_EVERY_SECONDS)
        await asyncio.sleep(2 * WRITTEN_EVERY_SECONDS)
        return read_counts(folder)[_TARGET].billed
    finally:
        await asyncio.to_thread(stop, [function])
