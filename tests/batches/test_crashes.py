"""Crashes and lost answers between two calls. The next trigger or tick carries on, and nothing is done twice."""

import asyncio
import os
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.cloud.firestore import DELETE_FIELD
from starlette.applications import Starlette
from starlette.responses import Response

from local.openai_server import BatchFault, FileFault, RequestFault
from local.serve import serving
from nightshift.database.commits import Commit, Undecided
from nightshift.jobs.settlement import MOST_SPARED
from tests.support.patience import PATIENCE_SECONDS
from tests.support.promises import assert_promises_kept
from tests.support.world import API_KEY, World


@pytest.mark.parametrize("lost", [{"reset": True}, {"status": 503}, {"status": 500}, {"status": 429}, {"status": 408}])
async def test_a_lost_answer_to_create_is_adopted_not_repeated(world: World, lost: dict[str, int]) -> None:
    """The provider made the batch, we never heard of it: the next tick finds it by its metadata."""
    world.provider.faults.add(RequestFault("POST", "/v1/batches", when="after", **lost))  # type: ignore[arg-type]
    await world.give("alice", 1)

    job_id = await world.submit("alice")
    assert (await world.batches())[0]["status"] == "sealed"
    await world.finish()

    assert len(world.provider.batches) == 1
    assert (await world.job(job_id))["attempts"] == 1
    await assert_promises_kept(world)


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_while_the_provider_is_down_the_batch_waits(world: World, status: int) -> None:
    """Neither a lost attempt nor a lost job: the batch stays sealed until a tick gets through."""
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=status, times=2))
    await world.give("alice", 1)

    job_id = await world.submit("alice")
    assert await world.tick() == 200
    assert not world.provider.batches
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    await assert_promises_kept(world)


async def test_a_create_that_may_still_be_on_its_way_is_not_sent_again(world: World) -> None:
    """Nothing is listed, and the answer was lost a moment ago: for the length of a lease it is only looked for."""
    world.provider.faults.add(RequestFault("POST", "/v1/batches", reset=True))
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    assert await world.tick() == 200
    assert not world.provider.batches
    world.pass_time(minutes=3)
    await world.finish()

    assert len(world.provider.batches) == 1
    assert (await world.job(job_id))["attempts"] == 1
    await assert_promises_kept(world)


async def test_a_lost_answer_to_the_upload_leaves_no_file_behind(world: World) -> None:
    """The file whose id was lost is deleted once its batch is closed."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", when="after", reset=True))
    await world.give("alice", 1)
    await world.submit("alice")
    assert len(world.provider.files) == 1

    await world.finish()
    assert await world.tick() == 200

    await assert_promises_kept(world)


async def test_a_file_that_is_not_visible_at_once_is_waited_for(world: World) -> None:
    """The provider answers the create call that there is no such file; it is sent again a moment later."""
    world.provider.faults.add(FileFault(hidden_reads=1))
    await world.give("alice", 1)

    job_id = await world.submit("alice")

    assert (await world.job(job_id))["status"] == "processing"
    assert len(world.provider.batches) == 1
    await world.finish()
    await assert_promises_kept(world)


async def test_a_create_that_the_provider_refuses_fails_the_batch_and_in_the_end_its_jobs(world: World) -> None:
    """The jobs are tried in other batches, first at no attempt, then at theirs, and are refunded."""
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=400, times=None))
    await world.give("alice", 1)

    job_id = await world.submit("alice")
    for _ in range(MOST_SPARED + 4):
        await world.tick()
        # Its lane backs off for half an hour.
        world.pass_time(minutes=31)

    assert (await world.job(job_id))["errorCode"] == "batch_failed"
    assert (await world.job(job_id))["attempts"] == 3
    assert len(await world.batches()) == MOST_SPARED + 3
    assert (await world.read("wallets/alice"))["balance"] == 1
    await assert_promises_kept(world)


async def test_a_batch_of_which_the_provider_made_two_is_paid_for_once(world: World) -> None:
    """The first create was lost and is not listed for long: a second is made, and the double cancelled by the tick."""
    world.provider.hold("in_progress")
    world.provider.faults.add(
        BatchFault(hidden_listings=1), RequestFault("POST", "/v1/batches", when="after", reset=True)
    )
    await world.give("alice", 1)
    await world.submit("alice")
    world.pass_time(minutes=3)

    assert await world.tick() == 200
    assert await world.tick() == 200
    assert len(world.provider.batches) == 2
    world.provider.release()
    await world.provider.settled()

    recorded = (await world.batches())[0]["remoteId"]
    statuses = {key: batch.status for key, batch in world.provider.batches.items()}
    assert statuses.pop(recorded) == "completed"
    assert set(statuses.values()) == {"cancelled"}
    await world.finish()
    assert len(await world.jobs("completed")) == 1
    await assert_promises_kept(world)


async def test_a_provider_batch_that_no_document_owns_is_cancelled(world: World) -> None:
    """A batch with our stamp and no document of ours is stopped by the next tick; one without our stamp is not ours."""
    world.provider.hold("in_progress")
    stray = await create_at_provider(world, {"nightshift_batch": "ns-gone"})
    foreign = await create_at_provider(world, {"purpose": "another program's"})
    neighbour = await create_at_provider(world, {"nightshift_batch": "ns-x", "nightshift_project": "staging"})

    assert await world.tick() == 200
    world.provider.release("in_progress")
    await world.provider.settled()

    assert world.provider.batches[stray].status == "cancelled"
    assert world.provider.batches[foreign].status == "completed"
    assert world.provider.batches[neighbour].status == "completed"


async def test_a_holder_that_died_while_assembling_is_succeeded(world: World) -> None:
    """Jobs are claimed, no input file is written: after the lease, the next one writes it and goes on."""
    await world.give("alice", 3)
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    for _ in range(3):
        await world.submit("alice")
    batch = next(b for b in await world.batches() if b["status"] == "sealed")
    dead = {"owner": "the dead", "expiresAt": world.now() + timedelta(seconds=120)}
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"status": "assembling", "lease": dead})

    assert await world.tick() == 200
    assert (await world.read(f"ai_batches/{batch['id']}"))["status"] == "assembling", "the lease still lives"
    world.pass_time(seconds=121)
    await world.finish()

    assert len(await world.jobs("completed")) == 3
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}
    await assert_promises_kept(world)


async def test_an_input_file_that_vanished_is_written_again(world: World) -> None:
    """The artifact is derived from the jobs; without it the batch is assembled once more."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 1)
    await world.submit("alice")
    batch = (await world.batches())[0]
    await world.delete_upload(f"gs://{world.project}-nightshift/batches/{batch['id']}/input.jsonl")

    await world.finish()

    await assert_promises_kept(world)


async def test_an_ingestion_that_is_repeated_settles_nothing_twice(world: World) -> None:
    """A crash after the lines were settled repeats the ingestion; every line finds its job done."""
    await world.give("alice", 3)
    job_ids = [await world.submit("alice") for _ in range(3)]
    world.provider.faults.add(RequestFault("DELETE", "/v1/files/.*", status=500, times=None))
    await world.provider.settled()
    assert await world.tick() == 200
    before = {job_id: await world.job(job_id) for job_id in job_ids}
    for batch in await world.open_batches():
        await world.firestore.document(f"ai_batches/{batch['id']}").update(
            {"status": "ingesting", "usage": DELETE_FIELD}
        )
    world.provider.faults.clear()

    await world.finish()

    assert {job_id: await world.job(job_id) for job_id in job_ids} == before
    assert all(batch["counts"]["completed"] == 1 for batch in await world.batches())
    assert all(batch["usage"]["inputTokens"] > 0 for batch in await world.batches())
    await assert_promises_kept(world)


@pytest.mark.parametrize("cut", [{"truncate_at": 100}, {"truncate_at": 100, "clean": True}, {"reset": True}])
async def test_a_download_that_breaks_off_is_resumed(world: World, cut: dict[str, int]) -> None:
    """A cut stream is continued where it stopped; one that ends early and in order is noticed by the file's size."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    fault = RequestFault("GET", "/v1/files/.*/content", when="after", times=2, **cut)  # type: ignore[arg-type]
    world.provider.faults.add(fault)

    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert not world.provider.faults.pending
    await assert_promises_kept(world)


async def test_an_output_file_that_is_gone_costs_an_attempt_not_an_answer(world: World) -> None:
    """What was paid for and is gone cannot be had; the jobs are sent again."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    remote = next(iter(world.provider.batches.values()))
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        await client.delete(
            f"{world.base_url}/files/{remote.output_file_id}", headers={"Authorization": f"Bearer {API_KEY}"}
        )

    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "processing", "it may only be late"
    world.pass_time(minutes=31)
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    await assert_promises_kept(world)


async def test_a_wallet_under_contention_gives_every_refund_once(world: World) -> None:
    """Refunds and charges of one user at the same moment leave the wallet equal to its ledger."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    world.provider.hold("in_progress")
    await world.give("alice", 40)
    for _ in range(10):
        await world.submit("alice")
    await world.provider.settled()
    for batch in await world.open_batches():
        await world.provider.expire(batch["remoteId"])
    job_ids = [await world.write("alice") for _ in range(20)]

    codes = await asyncio.gather(world.tick(), world.tick(), *(world.trigger(job_id) for job_id in job_ids))

    assert set(codes) == {200}
    world.provider.release()
    await world.finish()
    assert len(await world.jobs("failed")) == 10
    assert (await world.read("wallets/alice"))["balance"] == 20
    await assert_promises_kept(world)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("delay_seconds", [0.0, 0.005, 0.05, 0.2])
async def test_a_claim_that_lands_late_is_in_the_input_file_or_nowhere(
    world: World, monkeypatch: pytest.MonkeyPatch, delay_seconds: float, is_first: bool
) -> None:
    """A claim is said to have timed out and lands a moment later: its jobs are sent once, and lose no attempt."""
    world.bound(page_jobs=2)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 8)
    await world.submit("alice")
    job_ids = [await world.submit("alice") for _ in range(7)]
    late: list[asyncio.Task[Any]] = []
    real = Commit.send

    async def land(commit: Commit) -> None:
        await asyncio.sleep(delay_seconds)
        with suppress(Undecided):
            await real(commit)

    async def losing(commit: Commit) -> datetime:
        writes = str(commit.writes)
        # The first page's claims come with the lane.
        if "/ai_jobs/" in writes and ("/lanes/" in writes) == is_first and not late:
            late.append(asyncio.create_task(land(commit)))
            await asyncio.sleep(0.01)
            raise Undecided(DeadlineExceeded("late"))
        return await real(commit)

    monkeypatch.setattr(Commit, "send", losing)

    assert await world.tick() == 200
    await asyncio.gather(*late)
    world.pass_time(minutes=3)
    await world.finish()

    assert late
    sent = [
        line
        for batch in await world.batches()
        for line in (await world.artifact(batch["id"], "input.jsonl")).splitlines()
    ]
    assert len(sent) == len(job_ids) + 1
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}
    await assert_promises_kept(world)


async def test_while_images_cannot_be_reached_a_dead_assemblers_batch_waits(world: World) -> None:
    """Nothing was sent, so no attempt is spent; when Cloud Storage is back, the file is written."""
    await world.give("alice", 1)
    photo = await world.upload("alice")
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    job_id = await world.submit("alice", type="photo_rating", input={"imageUri": photo})
    batch = (await world.batches())[0]
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"status": "assembling"})
    storage = os.environ["STORAGE_EMULATOR_HOST"]

    async with serving(Starlette(exception_handlers={404: lambda *_: Response(status_code=403)})) as locked:
        world.set_env(STORAGE_EMULATOR_HOST=f"http://{locked}")
        assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "processing"
    assert (await world.batches())[0]["status"] == "assembling"
    world.set_env(STORAGE_EMULATOR_HOST=storage)
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)


async def create_at_provider(world: World, metadata: dict[str, str]) -> str:
    """Create a batch at the provider as another program would."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello"}]}
    line = httpx.Request(
        "POST", "http://x", json={"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    ).content
    async with httpx.AsyncClient(base_url=world.base_url, headers=headers, timeout=PATIENCE_SECONDS) as client:
        file = await client.post("/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", line)})
        batch = await client.post(
            "/batches",
            json={
                "input_file_id": file.json()["id"],
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "metadata": metadata,
            },
        )
    await world.provider.settled()
    return str(batch.json()["id"])
