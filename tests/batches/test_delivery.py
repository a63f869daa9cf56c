"""Events come twice, late, in any order, at the same moment, or never. The journey is the same.

What a duplicate could change is compared document by document; what it could start is counted at the provider.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from local.openai_server import Reply, ReplyRule, RequestFault
from tests.batches.test_batching import custom_ids
from tests.batches.test_sleepers import everything
from tests.support.promises import assert_promises_kept
from tests.support.world import World


@pytest.mark.parametrize("later", [{"minutes": 1}, {"days": 8}])
@pytest.mark.parametrize("ending", [None, Reply.http_error(400, "context_length_exceeded")])
async def test_an_event_that_comes_again_after_the_end_changes_nothing(
    world: World, later: dict[str, float], ending: Reply | None
) -> None:
    """Twice at once, a minute or days after the job was completed, or failed and refunded: no document is touched."""
    if ending:
        world.provider.faults.add(ReplyRule(ending, times=None))
    await world.give("alice", 3)
    job_id = await world.submit("alice")
    await world.finish()
    before = await everything(world)
    world.pass_time(**later)

    assert set(await asyncio.gather(world.trigger(job_id), world.trigger(job_id))) == {200}
    assert await world.tick() == 200

    assert await everything(world) == before
    assert len(world.provider.batches) == 1
    await assert_promises_kept(world)


async def test_an_event_that_comes_again_while_the_job_is_under_way_changes_nothing(world: World) -> None:
    """The job is charged and in a batch; its event finds nothing to do."""
    world.provider.hold("in_progress")
    await world.give("alice", 3)
    job_id = await world.submit("alice")
    before = await everything(world)

    assert set(await asyncio.gather(*(world.trigger(job_id) for _ in range(3)))) == {200}

    assert await everything(world) == before
    world.provider.release()
    await world.finish()
    assert len(world.provider.batches) == 1
    await assert_promises_kept(world)


async def test_an_event_that_comes_again_for_a_job_in_retry_sends_it_once(world: World) -> None:
    """The job waits for its second attempt; old events of it at once send it, and spend one attempt."""
    world.provider.hold("validating")
    await world.give("alice", 3)
    job_id = await world.submit("alice")
    await world.provider.fail((await world.batches())[0]["remoteId"], "token_limit_exceeded")
    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "queued"
    world.pass_time(minutes=31)
    world.provider.release()

    assert set(await asyncio.gather(*(world.trigger(job_id) for _ in range(4)))) == {200}
    await world.finish()

    assert (await world.job(job_id))["attempts"] == 1
    assert len(world.provider.batches) == 2
    await assert_promises_kept(world)


async def test_events_in_reverse_order_are_all_served(world: World) -> None:
    """The youngest comes first; every job is charged and answered."""
    await world.give("alice", 5)
    job_ids = [await world.write("alice") for _ in range(5)]

    for job_id in reversed(job_ids):
        assert await world.trigger(job_id) == 200
    await world.finish()

    assert set(await world.jobs("completed")) == set(job_ids)
    assert (await world.read("wallets/alice"))["balance"] == 0
    await assert_promises_kept(world)


async def test_an_event_that_comes_after_the_rescue_changes_nothing(world: World) -> None:
    """The tick was faster; the event finds a job that is charged and sent."""
    await world.give("alice", 3)
    job_id = await world.write("alice")
    world.pass_time(seconds=121)
    assert await world.tick() == 200
    before = await everything(world)

    assert await world.trigger(job_id) == 200

    assert await everything(world) == before
    await world.finish()
    assert len(world.provider.batches) == 1
    await assert_promises_kept(world)


async def test_an_event_and_its_rescue_at_once_charge_once(world: World) -> None:
    """Trigger and tick meet at jobs that are old enough to be rescued."""
    await world.give("alice", 6)
    job_ids = [await world.write("alice") for _ in range(6)]
    world.pass_time(seconds=121)

    calls = [world.tick(), *(world.trigger(job_id) for job_id in job_ids), world.tick()]
    assert set(await asyncio.gather(*calls)) == {200}
    await world.finish()

    assert (await world.read("wallets/alice"))["balance"] == 0
    await assert_each_job_was_sent_once(world)
    await assert_promises_kept(world)


async def test_an_event_whose_job_was_deleted_is_dealt_with(world: World) -> None:
    """There is nothing to admit, and nothing to deliver again."""
    await world.give("alice", 1)
    job_id = await world.write("alice")
    await world.firestore.document(f"ai_jobs/{job_id}").delete()

    assert await world.trigger(job_id) == 200

    await assert_promises_kept(world)


async def test_a_week_without_a_tick_loses_nothing(world: World) -> None:
    """One job was answered meanwhile, one was never seen; the next tick finds both."""
    await world.give("alice", 2)
    answered = await world.submit("alice")
    unseen = await world.write("alice")
    await world.provider.settled()
    world.pass_time(days=7)

    await world.finish()

    assert set(await world.jobs("completed")) == {answered, unseen}
    assert (await world.job(answered))["attempts"] == 1
    await assert_promises_kept(world)


async def test_triggers_and_ticks_at_once_on_one_lane_send_every_job_once(world: World) -> None:
    """Some jobs wait in the lane, others arrive at this moment, and ticks come by."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 20)
    for _ in range(6):
        await world.submit("alice")
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="0")
    arriving = [await world.write("alice") for _ in range(6)]

    calls = [call for job_id in arriving for call in (world.trigger(job_id), world.tick(), world.trigger(job_id))]
    assert set(await asyncio.gather(*calls)) == {200}
    await world.finish()

    assert len(await world.jobs("completed")) == 12
    await assert_each_job_was_sent_once(world)
    await assert_promises_kept(world)


async def assembling(world: World) -> None:
    """Jobs are claimed and no file is written: its assembler died, and its lease is over."""
    await sealed(world)
    batch = (await world.batches())[0]
    await world.delete_upload(f"gs://{world.project}-nightshift/batches/{batch['id']}/input.jsonl")
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"status": "assembling"})


async def sealed(world: World) -> None:
    """The input file is whole, the provider did not take it."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.tick()


async def created_unheard(world: World) -> None:
    """The provider made the batch, and its answer was lost."""
    world.provider.faults.add(RequestFault("POST", "/v1/batches", when="after", reset=True))
    await world.tick()


async def submitted(world: World) -> None:
    """The provider is at work."""
    world.provider.hold("in_progress")
    await world.tick()


async def ended(world: World) -> None:
    """The provider is done, and no tick has polled it yet."""
    await world.tick()


async def ingesting(world: World) -> None:
    """The outcome is on record, the output could not be had yet."""
    await world.tick()
    await world.provider.settled()
    world.provider.faults.add(RequestFault("GET", "/v1/files/.*/content", status=503, times=None))
    await world.tick()
    world.provider.faults.clear()


async def closing(world: World) -> None:
    """Every line is settled, a file could not be deleted."""
    await world.tick()
    await world.provider.settled()
    world.provider.faults.add(RequestFault("DELETE", "/v1/files/.*", status=503, times=None))
    await world.tick()
    world.provider.faults.clear()


async def closing_under_its_older_name(world: World) -> None:
    """The same, as versions before wrote it."""
    await closing(world)
    (batch,) = await world.batches()
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"status": "settling"})


STATES: dict[Callable[[World], Awaitable[None]], str] = {
    assembling: "assembling",
    sealed: "sealed",
    created_unheard: "sealed",
    submitted: "submitted",
    ended: "submitted",
    ingesting: "ingesting",
    closing: "closing",
    closing_under_its_older_name: "settling",
}


@pytest.mark.parametrize("reach", STATES, ids=lambda reach: reach.__name__)
async def test_ticks_at_once_advance_a_batch_once_from_every_state(
    world: World, reach: Callable[[World], Awaitable[None]]
) -> None:
    """Three ticks and old events of its jobs at the same moment, wherever the batch is: each step is taken once."""
    await world.give("alice", 5)
    job_ids = [await world.write("alice") for _ in range(5)]
    world.pass_time(seconds=121)
    await reach(world)
    assert [batch["status"] for batch in await world.batches()] == [STATES[reach]]
    await world.provider.settled()

    calls = [world.tick(), world.tick(), world.tick(), *(world.trigger(job_id) for job_id in job_ids)]
    assert set(await asyncio.gather(*calls)) == {200}
    world.provider.release()
    await world.finish()

    assert len(await world.jobs("completed")) == 5
    await assert_each_job_was_sent_once(world)
    assert len(world.provider.batches) == 1
    assert (await world.batches())[0]["counts"]["completed"] == 5
    await assert_promises_kept(world)


async def assert_each_job_was_sent_once(world: World) -> None:
    """Every job stands in one input file, once, and has spent one attempt."""
    sent = [job_id for batch in await world.batches() for job_id in await custom_ids(world, batch["id"])]
    jobs = await world.jobs()
    assert sorted(sent) == sorted(jobs)
    assert {job["attempts"] for job in jobs.values()} == {1}
