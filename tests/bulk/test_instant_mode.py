"""A bulk job of the mode instant: workers answer its parts, and check in."""

from local.openai_server import Reply, ReplyRule, RequestFault
from tests.bulk.test_batch_mode import rows
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def test_parts_are_answered_by_workers_and_cost_the_instant_price(world: World) -> None:
    """Two parts of three; a declined row gives its five tokens back. Without Pub/Sub the event answers them itself."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="3")
    await world.give("alice", 50)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="kind 4"))
    bulk_id = await world.start_bulk(items=rows(6), mode="instant", maxTokens=30)

    ended = await world.bulk(bulk_id)
    assert (ended["status"], ended["speed"]) == ("completed", "instant")
    assert ended["counts"] == {"total": 6, "open": 0, "completed": 5, "failed": 1, "cancelled": 0}
    assert (await world.read("wallets/alice"))["balance"] == 25
    assert not await world.batches()
    await assert_promises_kept(world)


async def test_auto_takes_the_speed_by_the_number_of_items(world: World) -> None:
    """Below the threshold it is instant; at it, a batch."""
    world.set_env(NIGHTSHIFT_BULK_THRESHOLD="2")
    await world.give("alice", 50)
    few = await world.start_bulk(items=rows(1), mode="auto")
    many = await world.start_bulk(items=rows(2), mode="auto")
    assert (await world.bulk(few))["speed"] == "instant"
    assert (await world.bulk(many))["speed"] == "batch"


async def test_a_part_waits_while_the_provider_wants_to_be_left_alone_and_goes_on_after_it(world: World) -> None:
    """A long Retry-After puts the part off; a later worker answers what is open, and nothing is asked twice."""
    await world.give("alice", 50)
    refused = RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "600"})
    world.provider.faults.add(refused)
    bulk_id = await world.start_bulk(items=rows(3), mode="instant", maxTokens=15)
    (part,) = await world.parts(bulk_id)
    assert (part["status"], "nextAttemptAt" in part) == ("waiting", True)

    world.pass_time(minutes=15)
    world.set_env()
    assert await world.work_bulk(bulk_id, 1) == 200
    assert (await world.bulk(bulk_id))["counts"]["completed"] == 3
    await assert_promises_kept(world)
