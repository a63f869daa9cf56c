"""An operator stops a batch: what is answered by then is kept, the rest is cancelled or sent again, as is wished."""

import json

import pytest

from local.openai_server import RequestFault
from nightshift.batches import documents as batches
from nightshift.batches import transitions
from nightshift.batches.advance import stop
from nightshift.errors import LeaseHeld, TryLater
from nightshift.runtime import Runtime
from nightshift.values.outcome import Stop
from tests.support.promises import assert_promises_kept
from tests.support.world import World

WISHES: list[Stop] = ["cancel", "retry"]


async def live_batch(world: World, answered: int = 1) -> str:
    """A batch of three jobs of two users that the provider works on, with so many answered; returns its id."""
    world.provider.hold("in_progress", answered)
    await world.give("alice", 2)
    await world.give("bob", 1)
    for uid in ("alice", "alice", "bob"):
        await world.write(uid)
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    await world.provider.settled()
    return str((await world.batches())[0]["id"])


async def wish(world: World, batch_id: str, wished: Stop) -> Runtime:
    """Stop a batch as an operator does."""
    runtime = world.operators_runtime()
    found = await stop(runtime, batch_id, wished)
    assert found
    return runtime


async def test_a_cancelled_batch_keeps_its_answers_and_refunds_the_rest(world: World) -> None:
    """One of three was answered and is paid for; two are cancelled, each told once and refunded."""
    batch_id = await live_batch(world)

    world.provider.hold("cancelling")
    await wish(world, batch_id, "cancel")
    assert {batch.status for batch in world.provider.batches.values()} == {"cancelling"}
    world.provider.release()
    await world.finish()

    (batch,) = await world.batches()
    assert batch["status"] == "cancelled"
    assert batch["counts"] == {"completed": 1, "failed": 0, "retried": 0, "cancelled": 2}
    cancelled = await world.jobs("cancelled")
    assert {job["errorCode"] for job in cancelled.values()} == {"cancelled"}
    notes = await world.documents("notifications")
    assert {notes[job_id]["title"] for job_id in cancelled} == {"Waste classification cancelled"}
    await assert_promises_kept(world)


async def test_a_batch_that_is_sent_again_costs_its_jobs_no_attempt(world: World) -> None:
    """One of three was answered; two go into another batch, with all their attempts before them."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    batch_id = await live_batch(world)

    await wish(world, batch_id, "retry")
    world.provider.release()
    await world.finish()

    first, second = await world.batches()
    assert first["counts"] == {"completed": 1, "failed": 0, "retried": 2, "cancelled": 0}
    assert second["counts"] == {"completed": 2, "failed": 0, "retried": 0, "cancelled": 0}
    jobs = await world.jobs()
    assert {job["status"] for job in jobs.values()} == {"completed"}
    assert {job["attempts"] for job in jobs.values()} == {1}
    assert sorted(job.get("formerBatchIds", []) for job in jobs.values()) == [[], [batch_id], [batch_id]]
    await assert_promises_kept(world)


@pytest.mark.parametrize("wished", WISHES)
async def test_requests_that_the_provider_leaves_out_follow_the_wish_too(world: World, wished: Stop) -> None:
    """It writes no line for what it did not come to."""
    batch_id = await live_batch(world, answered=0)
    world.provider.script.edit_errors = lambda _, __: []

    await wish(world, batch_id, wished)
    world.provider.release()
    await world.finish()

    ends = {job["status"] for job in (await world.jobs()).values()}
    assert ends == {"cancelled" if wished == "cancel" else "completed"}
    await assert_promises_kept(world)


async def test_without_a_wish_a_batch_that_a_person_cancels_is_retried_as_ever(world: World) -> None:
    """In the provider's own console: its jobs spend an attempt, and are sent again."""
    await live_batch(world, answered=0)
    (remote_id,) = world.provider.batches

    await world.cancel_at_provider(remote_id)
    world.provider.release()
    await world.finish()

    assert {job["attempts"] for job in (await world.jobs()).values()} == {2}
    await assert_promises_kept(world)


@pytest.mark.parametrize("wished", WISHES)
async def test_a_batch_that_the_provider_never_had_is_closed_at_once(world: World, wished: Stop) -> None:
    """The upload failed, so no create was ever sent: nothing is to be stopped there."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    (batch,) = await world.batches()
    assert batch["status"] == "sealed"

    await wish(world, batch["id"], wished)

    (batch,) = await world.batches()
    assert batch["status"] == "cancelled"
    assert (await world.job(job_id))["status"] == ("cancelled" if wished == "cancel" else "queued")
    await world.finish()
    await assert_promises_kept(world)


@pytest.mark.parametrize("wished", WISHES)
async def test_a_batch_whose_assembler_died_is_closed_without_being_sent(world: World, wished: Stop) -> None:
    """Its input file is not whole, and need not be."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 1)
    await world.submit("alice")
    (batch,) = await world.batches()
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"status": "assembling"})

    await wish(world, batch["id"], wished)

    assert (await world.batches())[0]["status"] == "cancelled"
    await world.finish()
    await assert_promises_kept(world)


async def test_a_create_whose_answer_was_lost_is_looked_for_before_a_batch_is_closed(world: World) -> None:
    """The provider has it, and we do not know it: it is adopted, and stopped there."""
    world.provider.hold("in_progress")
    world.provider.faults.add(RequestFault("POST", "/v1/batches", when="after", reset=True))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    (batch,) = await world.batches()
    assert batch["status"] == "sealed"

    world.provider.hold("cancelling")
    await wish(world, batch["id"], "cancel")
    assert {remote.status for remote in world.provider.batches.values()} == {"cancelling"}
    world.provider.release()
    await world.finish()

    assert (await world.job(job_id))["status"] == "cancelled"
    assert len(world.provider.batches) == 1
    await assert_promises_kept(world)


async def test_a_create_that_may_still_be_on_its_way_keeps_a_batch_open(world: World) -> None:
    """Nothing is listed, and the answer was lost a moment ago; after a lease's time the batch is closed."""
    world.provider.faults.add(RequestFault("POST", "/v1/batches", reset=True))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    (batch,) = await world.batches()

    with pytest.raises(TryLater):
        await stop(world.operators_runtime(), batch["id"], "cancel")
    (batch,) = await world.batches()
    assert (batch["status"], batch["stop"]) == ("sealed", "cancel")
    world.pass_time(minutes=3)
    await world.finish()

    assert (await world.job(job_id))["status"] == "cancelled"
    assert not world.provider.batches
    await assert_promises_kept(world)


async def test_the_provider_is_asked_to_stop_until_it_shows_that_it_does(world: World) -> None:
    """It was down when the wish was recorded: the next tick asks it to stop, and the one after that need not."""
    batch_id = await live_batch(world)
    world.provider.hold("cancelling")
    (remote,) = world.provider.batches.values()
    world.provider.faults.add(RequestFault("POST", f"/v1/batches/{remote.id}/cancel", status=503))

    with pytest.raises(TryLater):
        await stop(world.operators_runtime(), batch_id, "cancel")
    assert remote.cancelling_at is None
    assert await world.tick() == 200
    assert remote.status == "cancelling"
    told = len(world.provider.calls)
    assert await world.tick() == 200
    assert "POST" not in {call.method for call in world.provider.calls[told:]}
    world.provider.release()
    await world.finish()

    assert (await world.batches())[0]["status"] == "cancelled"
    await assert_promises_kept(world)


@pytest.mark.parametrize("wished", WISHES)
async def test_a_batch_that_ended_before_it_could_be_stopped_is_settled_as_usual(world: World, wished: Stop) -> None:
    """All of it was answered, so all of it is paid for."""
    batch_id = await live_batch(world)
    world.provider.release()
    await world.provider.settled()

    await wish(world, batch_id, wished)
    await world.finish()

    assert (await world.batches())[0]["status"] == "completed"
    assert {job["status"] for job in (await world.jobs()).values()} == {"completed"}
    await assert_promises_kept(world)


async def test_an_answer_that_cannot_be_read_follows_the_wish(world: World) -> None:
    """Its job would be sent again; but an operator who cancels a batch wants no more answers."""
    batch_id = await live_batch(world, answered=2)

    def garble(_: object, lines: list[bytes]) -> list[bytes]:
        first = json.loads(lines[0])
        first["response"]["body"]["choices"][0]["message"]["content"] = "no JSON"
        return [json.dumps(first).encode(), *lines[1:]]

    world.provider.script.edit_output = garble
    await wish(world, batch_id, "cancel")
    world.provider.release()
    await world.finish()

    assert sorted(job["status"] for job in (await world.jobs()).values()) == ["cancelled", "cancelled", "completed"]
    await assert_promises_kept(world)


async def test_a_batch_under_a_lease_gets_no_wish(world: World) -> None:
    """The lease holder would not see the wish, so the operator tries again."""
    batch_id = await live_batch(world)
    runtime = world.operators_runtime()
    found = await batches.find(runtime, batch_id)
    assert found
    holder = await transitions.take(runtime, found).lease.on_record()

    with pytest.raises(LeaseHeld):
        await stop(runtime, batch_id, "cancel")

    assert "stop" not in (await world.batches())[0]
    await holder.write({}, release=True)
    world.provider.release()
    await world.finish()
    assert {job["status"] for job in (await world.jobs()).values()} == {"completed"}


async def test_a_closed_batch_and_an_unknown_one_get_no_wish(world: World) -> None:
    """There is nothing to stop."""
    batch_id = await live_batch(world)
    world.provider.release()
    await world.finish()
    runtime = world.operators_runtime()

    assert await stop(runtime, batch_id, "cancel") is None
    assert await stop(runtime, "no-such-batch", "retry") is None

    assert "stop" not in (await world.batches())[0]


async def test_a_batch_that_the_provider_does_not_know_is_given_up_after_an_hour(world: World) -> None:
    """Without a wish it is waited for two days; a person who wishes it to stop has looked."""
    batch_id = await live_batch(world, answered=0)
    (remote_id,) = world.provider.batches
    await world.cancel_at_provider(remote_id)
    await world.firestore.document(f"ai_batches/{batch_id}").update({"remoteId": "batch_unheard_of"})

    await wish(world, batch_id, "retry")
    assert (await world.batches())[0]["status"] == "submitted"
    world.pass_time(hours=1)
    assert await world.tick() == 200

    assert (await world.batches())[0]["status"] == "failed"
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}, "none of them was spent on it"
    world.provider.release()
    await world.finish()
    assert {job["status"] for job in (await world.jobs()).values()} == {"completed"}
