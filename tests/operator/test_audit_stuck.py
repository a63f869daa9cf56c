"""What stands still, and what is at the provider without being on record: found, mended, and clean afterwards."""

from datetime import timedelta

import httpx
import pytest

from local.openai_server import BatchFault, RequestFault
from tests.support.auditing import run_audit
from tests.support.patience import PATIENCE_SECONDS
from tests.support.promises import assert_audit_is_clean, assert_promises_kept
from tests.support.world import API_KEY, World


async def test_a_job_that_was_never_admitted_is_found_once_two_ticks_have_passed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its event was lost, and no tick ran; the repair admits it."""
    await world.give("alice", 1)
    await world.write("alice", "lost")
    world.pass_time(minutes=21)
    assert (await run_audit(world, capsys)).code == 0

    world.pass_time(minutes=2)
    found = await run_audit(world, capsys, repair=True)

    assert found.subjects == ["ai_jobs/lost"]
    assert found.findings[0]["mended"] == "It was admitted, and is queued."
    assert (await run_audit(world, capsys)).code == 0
    await world.finish()
    await assert_promises_kept(world)


async def test_a_job_is_admitted_without_the_providers_key(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Its lane is known without a call; the functions, which have the key, send it."""
    await world.give("alice", 1)
    await world.write("alice", "lost")
    world.pass_time(minutes=23)

    found = await run_audit(world, capsys, repair=True, openai_api_key=None)

    assert found.findings[0]["mended"] == "It was admitted, and is queued."
    await world.finish()
    assert (await world.job("lost"))["status"] == "completed"


@pytest.mark.parametrize("status", ["assembling", "sealed"])
async def test_a_batch_that_no_tick_moved_is_advanced(
    world: World, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    """Its lease holder died, and no tick ran; its lease has expired, so the audit can take it."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 1)
    await world.submit("alice")
    path = f"ai_batches/{(await world.batches())[0]['id']}"
    dead = {"owner": "the dead", "expiresAt": world.now() + timedelta(seconds=120)}
    await world.firestore.document(path).update({"status": status, "lease": dead})
    world.pass_time(minutes=21)
    assert (await run_audit(world, capsys)).code == 0

    world.pass_time(minutes=2)
    found = await run_audit(world, capsys, repair=True)

    assert found.subjects == [path]
    assert found.findings[0]["mended"] == f"It was advanced from {status} to submitted."
    assert (await run_audit(world, capsys)).code == 0
    await world.finish()
    await assert_promises_kept(world)


async def test_a_batch_under_a_lease_without_end_is_left_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """No lease holder renews it, and no other process can take it."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 1)
    await world.submit("alice")
    path = f"ai_batches/{(await world.batches())[0]['id']}"
    endless = {"owner": "the dead", "expiresAt": world.now() + timedelta(days=9)}
    await world.firestore.document(path).update({"lease": endless})
    world.pass_time(minutes=23)

    found = await run_audit(world, capsys, repair=True)

    assert found.subjects == [path]
    assert "a lease lies on " in found.findings[0]["leftAlone"]


async def test_a_job_left_in_a_closed_batch_is_sent_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A person closed its batch by hand, after the provider had ended it."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    await close_by_hand(world, job_id)

    found = await run_audit(world, capsys, repair=True)

    assert f"ai_jobs/{job_id}" in found.subjects
    assert found.summary["mended"] == found.summary["findings"]
    assert (await world.job(job_id))["status"] == "queued"
    assert (await run_audit(world, capsys)).code == 0
    await world.finish()
    assert (await world.job(job_id))["attempts"] == 2
    await assert_audit_is_clean(world)


async def test_a_job_left_in_a_closed_batch_without_an_attempt_left_is_refunded(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """One repair leaves job, batch and wallet in agreement."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    await close_by_hand(world, job_id)

    await run_audit(world, capsys, repair=True)

    assert (await world.job(job_id))["errorCode"] == "batch_failed"
    assert (await world.read("wallets/alice"))["balance"] == 1
    assert (await run_audit(world, capsys)).code == 0


async def test_the_job_of_a_deleted_batch_is_sent_again_once_the_provider_has_stopped(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The provider's batch is a stray and is cancelled; its job is sent again only when it has ended."""
    world.provider.hold("in_progress")
    world.provider.hold("cancelling")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    batch = (await world.batches())[0]
    await world.firestore.document(f"ai_batches/{batch['id']}").delete()
    orphan = f"provider batch {batch['remoteId']}"
    assert (await run_audit(world, capsys)).subjects == [f"ai_jobs/{job_id}"], "the next tick would see to the orphan"
    world.pass_time(minutes=21)

    unasked = await run_audit(world, capsys, repair=True, openai_api_key=None)
    assert "is not known" in unasked.findings[0]["leftAlone"]
    stopping = await run_audit(world, capsys, repair=True)
    assert stopping.subjects == [orphan, f"ai_jobs/{job_id}"]
    assert stopping.findings[0]["mended"] == "It was asked to stop."
    assert "once that has stopped" in stopping.findings[1]["leftAlone"]
    world.provider.release("cancelling")
    await world.provider.settled()
    stopped = await run_audit(world, capsys, repair=True)
    assert (stopped.subjects, stopped.summary["mended"]) == ([f"ai_jobs/{job_id}"], 1)

    assert (await run_audit(world, capsys)).code == 0
    assert (await world.job(job_id))["status"] == "queued"


async def test_a_double_at_the_provider_is_cancelled(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A lost answer made two; the one that is not on record is stopped, the other goes on."""
    world.provider.hold("in_progress")
    world.provider.faults.add(
        BatchFault(hidden_listings=1), RequestFault("POST", "/v1/batches", when="after", reset=True)
    )
    await world.give("alice", 1)
    await world.submit("alice")
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    recorded = (await world.batches())[0]["remoteId"]
    (double,) = (remote_id for remote_id in world.provider.batches if remote_id != recorded)
    world.pass_time(minutes=21)

    found = await run_audit(world, capsys, repair=True)

    assert found.subjects == [f"provider batch {double}"]
    assert (await run_audit(world, capsys)).code == 0
    world.provider.release()
    await world.finish()
    assert world.provider.batches[double].status == "cancelled"
    assert world.provider.batches[recorded].status == "completed"
    await assert_audit_is_clean(world)


async def test_a_batch_that_the_provider_does_not_know_is_left_to_the_tick(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may only be late; the tick knows when to give it up."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice")
    batch = (await world.batches())[0]
    await world.cancel_at_provider(batch["remoteId"])
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"remoteId": "batch_unheard_of"})
    world.pass_time(minutes=21)

    found = await run_audit(world, capsys, repair=True)

    assert found.subjects == [f"ai_batches/{batch['id']}"]
    assert "knows no such batch" in found.findings[0]["finding"]
    assert "48 hours" in found.findings[0]["leftAlone"]


async def test_a_file_that_its_batch_does_not_own_is_deleted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A lost answer to an upload left it; a file of another project's batch is not touched."""
    await world.give("alice", 1)
    await world.submit("alice")
    await world.finish()
    batch_id = (await world.batches())[0]["id"]
    stray = await upload(world, f"{batch_id}.jsonl")
    foreign = await upload(world, f"ns-{'x' * 20}.jsonl")

    found = await run_audit(world, capsys, repair=True)

    assert found.subjects == [f"provider file {stray}"]
    assert list(world.provider.files) == [foreign]
    assert (await run_audit(world, capsys)).code == 0


async def close_by_hand(world: World, job_id: str) -> None:
    """Mark the batch of a job as done, as if nothing were left to do."""
    path = f"ai_batches/{(await world.job(job_id))['batchId']}"
    counts = {"completed": 0, "failed": 0, "retried": 1, "cancelled": 0}
    await world.firestore.document(path).update({"status": "completed", "counts": counts})


async def upload(world: World, name: str) -> str:
    """Upload a file to the provider as another program would; returns its id."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=world.base_url, headers=headers, timeout=PATIENCE_SECONDS) as client:
        answer = await client.post("/files", data={"purpose": "batch"}, files={"file": (name, b"{}")})
    return str(answer.json()["id"])
