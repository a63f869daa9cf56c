"""Pause, resume, cancel and retry of a bulk job."""

from typing import Any

import pytest

from local.openai_server import Reply, ReplyRule
from nightshift.bulk import wishes
from tests.bulk.test_batch_mode import rows, run_to_the_end
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def test_cancelling_keeps_and_bills_what_was_answered_and_refunds_the_rest(world: World) -> None:
    """Of three parts one is answered, one is with the provider, and one waits; then it is cancelled."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="2", NIGHTSHIFT_MAX_BATCH_REQUESTS="2")
    await world.give("alice", 20)
    bulk_id = await world.start_bulk(items=rows(4), maxTokens=4)
    await world.provider.settled()
    assert await world.tick() == 200
    first = (await world.bulk(bulk_id))["counts"]
    assert first["completed"] == 4 or first["open"]

    world.provider.hold("in_progress")
    second = await world.start_bulk(items=rows(4), maxTokens=4)
    await wishes.cancel(world.operators_runtime(), second)
    assert await world.work_bulk(second) == 200
    world.provider.release()
    ended = await run_to_the_end(world, second)

    assert ended["status"] == "cancelled"
    assert ended["counts"]["open"] == 0
    assert ended["counts"]["cancelled"] + ended["counts"]["completed"] == 4
    await run_to_the_end(world, bulk_id)
    await assert_promises_kept(world)


async def test_what_failed_is_counted_and_priced_before_it_is_run_again(world: World) -> None:
    """Two of three fail; the retry is quoted for two, and charged in an entry of its own once it is confirmed."""
    await world.give("alice", 20)
    declined = [ReplyRule(Reply.refuses("no"), text=f"kind {number}") for number in (0, 1)]
    world.provider.faults.add(*declined)
    bulk_id = await world.start_bulk(items=[*rows(3), {"text": ""}], maxTokens=3)
    assert (await run_to_the_end(world, bulk_id))["counts"]["failed"] == 3

    runtime = world.operators_runtime()
    await wishes.retry(runtime, bulk_id)
    assert await world.work_bulk(bulk_id) == 200
    quoted = await world.bulk(bulk_id)
    assert (quoted["status"], quoted["quote"]["items"], quoted["quote"]["tokens"]) == ("quoted", 2, 2)
    assert (await world.read("wallets/alice"))["balance"] == 19

    await wishes.confirm(runtime, bulk_id)
    ended = await run_to_the_end(world, bulk_id)
    assert ended["counts"] == {"total": 4, "open": 0, "completed": 3, "failed": 1, "cancelled": 0}
    ledger = await world.documents("wallets/alice/ledger")
    assert ledger[f"bulk.{bulk_id}.charge.2"]["amount"] == -2
    assert [error["row"] for error in ended["firstErrors"]] == [4]
    await assert_promises_kept(world)


async def test_a_paused_bulk_job_starts_no_part_until_it_is_resumed(world: World) -> None:
    """What the provider has goes on; the part that waits stays where it is."""
    await world.give("alice", 20)
    world.set_env(NIGHTSHIFT_PART_ITEMS="2", NIGHTSHIFT_MAX_PARTS_IN_FLIGHT="1")
    world.provider.hold("in_progress")
    bulk_id = await world.start_bulk(items=rows(4), maxTokens=4)
    runtime = world.operators_runtime()
    await wishes.pause(runtime, bulk_id)
    assert await world.work_bulk(bulk_id) == 200
    assert (await world.bulk(bulk_id))["status"] == "paused"
    world.provider.release()
    await world.provider.settled()
    assert await world.tick() == 200
    assert [part["status"] for part in await world.parts(bulk_id)] == ["closed", "waiting"]

    await wishes.resume(runtime, bulk_id)
    assert (await run_to_the_end(world, bulk_id))["counts"]["completed"] == 4
    await assert_promises_kept(world)


@pytest.mark.parametrize(("wish", "status"), [("confirm", "running"), ("resume", "running"), ("retry", "running")])
async def test_a_wish_that_can_mean_nothing_is_refused(world: World, wish: str, status: str) -> None:
    """It changes nothing, and says what the bulk job is; another user's is not there."""
    await world.give("alice", 5)
    world.provider.hold("in_progress")
    bulk_id = await world.start_bulk(items=rows(1), maxTokens=1)
    runtime = world.operators_runtime()
    call: Any = getattr(wishes, wish)
    with pytest.raises(wishes.WishRefused) as refused:
        await call(runtime, bulk_id)
    assert (refused.value.code, status in refused.value.message) == ("not_now", True)
    with pytest.raises(wishes.WishRefused) as foreign:
        await call(runtime, bulk_id, user_id="bob")
    assert foreign.value.code == "not_found"
    world.provider.release()
    await run_to_the_end(world, bulk_id)
