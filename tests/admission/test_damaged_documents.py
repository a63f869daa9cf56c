"""Documents that were damaged by hand, and names that no document can have. No other user's jobs suffer."""

import asyncio
import base64
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD, AsyncClient

from local.openai_server import Reply
from tests.support.world import World


async def test_a_damaged_ledger_entry_does_not_stop_other_users_refunds(world: World) -> None:
    """An amount that is no number is not given back; the others' tokens are."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.script.answer = lambda *_: Reply.refuses("no")
    for uid in ("alice", "bob", "zoe"):
        await world.give(uid, 1)
        await world.submit(uid, f"of-{uid}")
    await world.firestore.document("wallets/bob/ledger/of-bob.charge").update({"amount": "one"})

    await world.finish()

    assert (await world.read("wallets/zoe"))["balance"] == 1
    assert len(await world.jobs("failed")) == 3


@pytest.mark.parametrize(
    "wallet", [{"balance": "many"}, {"balance": None}, {"totalSpent": []}, {"balance": float("nan")}]
)
async def test_a_poisoned_wallet_harms_only_its_owner(world: World, wallet: dict[str, Any]) -> None:
    """A wallet was damaged by hand; refunds and charges of other users go on."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1", NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.script.answer = lambda *_: Reply.left_out()
    await world.give("alice", 2)
    await world.give("bob", 3)
    for uid in ("bob", "alice", "bob"):
        await world.submit(uid)
    await world.firestore.document("wallets/alice").update(wallet)
    await world.submit("alice")

    await world.finish()

    assert not await world.jobs("completed")
    assert (await world.read("wallets/bob"))["balance"] == 3


@pytest.mark.parametrize(
    "damage", [{"input": DELETE_FIELD}, {"userId": DELETE_FIELD}, {"type": 5}, {"attempts": "1"}, {"lane": "x"}]
)
async def test_a_damaged_job_does_not_block_its_lane(world: World, damage: dict[str, Any]) -> None:
    """The others are answered; the damaged one fails, or stays where no step looks."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 4)
    await world.submit("alice")
    damaged = await world.submit("alice")
    other = await world.submit("alice")
    await world.firestore.document(f"ai_jobs/{damaged}").update(damage)

    for _ in range(3):
        assert await world.tick() == 200
        await world.provider.settled()

    assert (await world.job(other))["status"] == "completed"


@pytest.mark.parametrize("damage", [{"lane": DELETE_FIELD}, {"createdAt": "x"}, {"jobCount": DELETE_FIELD}])
async def test_a_damaged_batch_does_not_block_the_others(world: World, damage: dict[str, Any]) -> None:
    """It is logged as unreadable; the next batch is polled and ingested."""
    world.provider.hold("in_progress")
    await world.give("alice", 2)
    await world.submit("alice")
    await world.firestore.document(f"ai_batches/{(await world.batches())[0]['id']}").update(damage)
    other = await world.submit("alice")
    world.provider.release()
    await world.provider.settled()

    assert await world.tick() == 200

    assert (await world.job(other))["status"] == "completed"


@pytest.mark.parametrize(
    "damage", [{"backsOffUntil": "x"}, {"lease": "x"}, {"lease": {"owner": "x", "expiresAt": None}}]
)
async def test_a_damaged_lane_is_used_all_the_same(world: World, damage: dict[str, Any]) -> None:
    """What is not a valid lease keeps no process out."""
    await world.give("alice", 2)
    job_id = await world.submit("alice")
    lane = next(iter(await world.documents("lanes")))
    await world.firestore.collection("lanes").document(lane).update(damage)

    await world.submit("alice")
    await world.finish()

    assert len(await world.jobs("completed")) == 2
    assert (await world.job(job_id))["status"] == "completed"


async def test_an_image_name_that_no_bucket_takes_is_refused(world: World) -> None:
    """Cloud Storage knows no names above 1,024 bytes; the job ends, the event is dealt with."""
    await world.give("alice", 1)
    uri = f"gs://{world.project}.firebasestorage.app/users/alice/{'x' * 5_000}"

    job_id = await world.submit("alice", input={"imageUri": uri})

    assert (await world.job(job_id))["errorCode"] == "invalid_input"


@pytest.mark.parametrize("uid", [".", "..", "__x__", "a/b", "", "x" * 129])
async def test_a_uid_that_names_no_wallet_is_refused(world: World, uid: str) -> None:
    """Only what Firebase Auth could have given is looked up."""
    job_id = await world.submit(uid)

    assert (await world.job(job_id))["errorCode"] == "invalid_input"


@pytest.mark.parametrize("damage", ["deleted", "unreadable"])
async def test_a_job_whose_batch_is_gone_is_sent_again_after_five_days(world: World, damage: str) -> None:
    """No step works on such a job; the tick finds it by its age."""
    world.provider.hold("in_progress")
    await world.give("alice", 2)
    job_id = await world.submit("alice")
    batch = world.firestore.document(f"ai_batches/{(await world.job(job_id))['batchId']}")
    if damage == "deleted":
        await batch.delete()
    else:
        await batch.update({"lane": 5})
    world.pass_time(hours=119)
    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "processing"

    world.pass_time(hours=2)
    assert await world.tick() == 200
    world.pass_time(hours=-121)
    world.provider.release()
    for _ in range(3):
        await world.provider.settled()
        assert await world.tick() == 200

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert (await world.read("wallets/alice"))["balance"] == 1


@pytest.mark.parametrize("database", ["(default)", "other"])
async def test_a_reference_into_another_database_harms_only_its_own_job(world: World, database: str) -> None:
    """Rules let a client write one, and the client library raises upon it: its job ends, and the others go on."""
    world.set_env(NIGHTSHIFT_RESCUE_SECONDS="0")
    elsewhere = AsyncClient(project="elsewhere", database=database).document("wallets/alice")
    jobs = [await world.write("alice", job_id, input={"text": "a jar"}) for job_id in ("before", "later", "lost")]
    for job_id in ("hostile", "nested"):
        job_input: dict[str, Any] = (
            {"text": elsewhere} if job_id == "hostile" else {"text": "x", "y": [{"z": elsewhere}]}
        )
        await world.write("mallory", job_id, input=job_input)
    await world.give("alice", 3)

    # At once, so that they are read together; the others' events are lost.
    assert set(await asyncio.gather(*map(world.trigger, ("hostile", "before", "later")))) == {200}
    await world.finish()

    assert {(await world.job(job_id))["status"] for job_id in jobs} == {"completed"}
    for job_id in ("hostile", "nested"):
        assert (await world.job(job_id))["errorCode"] == "invalid_input"


async def test_a_reference_into_another_database_in_a_wallet_is_no_token(world: World) -> None:
    """It counts as nothing, and stops no event."""
    await world.give("alice", 1)
    elsewhere = AsyncClient(project="elsewhere").document("wallets/alice")
    await world.firestore.document("wallets/alice").update({"balance": elsewhere})

    job_id = await world.submit("alice")

    assert (await world.job(job_id))["errorCode"] == "insufficient_tokens"


@pytest.mark.parametrize("lane", [None, "x", 5])
async def test_the_event_of_a_job_that_is_queued_nowhere_does_not_come_again(world: World, lane: Any) -> None:
    """No redelivery would mend the document; the operators' audit names it."""
    job_id = await world.write("alice", status="queued", lane=lane)

    assert await world.trigger(job_id) == 200


@pytest.mark.parametrize(
    "call",
    [b'{"batchId": "\\ud800"}', b'{"batchId": "a", "shardId": "\\udfff"}', b"[" * 100_000],
    ids=["batch", "shard", "deep"],
)
async def test_a_call_for_a_worker_that_cannot_be_read_does_not_come_again(world: World, call: bytes) -> None:
    """Half a character names no document, and no nesting is too deep to be told so."""
    assert await world.work({"data": base64.b64encode(call).decode()}) == 200
