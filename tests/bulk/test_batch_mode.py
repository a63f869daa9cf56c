"""A bulk job of the mode batch: its rows are quoted, paid once, asked in parts, and answered in the source's order."""

from typing import Any

from local.openai_server import Reply, ReplyRule
from nightshift.bulk import wishes
from tests.support.promises import assert_promises_kept
from tests.support.world import World


def rows(number: int) -> list[dict[str, Any]]:
    return [{"text": f"a bottle of kind {index}"} for index in range(number)]


async def run_to_the_end(world: World, bulk_id: str, ticks: int = 12) -> dict[str, Any]:
    """Let ticks and the provider work until the bulk job has ended; returns its fields."""
    for _ in range(ticks):
        await world.provider.settled()
        assert await world.tick() == 200
        assert await world.work_bulk(bulk_id) == 200
        bulk = await world.bulk(bulk_id)
        if bulk["status"] in {"completed", "failed", "cancelled"}:
            return bulk
    raise AssertionError(f"still {bulk['status']} after {ticks} ticks")


async def test_a_bulk_job_is_quoted_confirmed_answered_and_paid(world: World) -> None:
    """Seven rows in parts of three: nothing is charged before the confirmation, one entry pays all."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="3")
    await world.give("alice", 20)
    bulk_id = await world.start_bulk(items=[*rows(6), {"text": ""}])

    quoted = await world.bulk(bulk_id)
    assert quoted["status"] == "quoted"
    assert quoted["quote"]["items"] == 6
    assert (quoted["quote"]["invalid"], quoted["quote"]["tokens"], quoted["quote"]["tokensInstant"]) == (1, 6, 30)
    assert quoted["firstErrors"][0]["row"] == 7
    assert (await world.read("wallets/alice"))["balance"] == 20

    await wishes.confirm(world.operators_runtime(), bulk_id)
    ended = await run_to_the_end(world, bulk_id)

    assert ended["status"] == "completed"
    assert ended["counts"] == {"total": 7, "open": 0, "completed": 6, "failed": 1, "cancelled": 0}
    assert ended["progress"] == 1
    ledger = await world.documents("wallets/alice/ledger")
    assert ledger[f"bulk.{bulk_id}.charge.1"]["amount"] == -6
    assert (await world.read("wallets/alice"))["balance"] == 14
    assert (await world.read(f"notifications/bulk.{bulk_id}"))["type"] == "bulk_completed"
    assert [part["counts"]["completed"] for part in await world.parts(bulk_id)] == [3, 3, 0]
    await assert_promises_kept(world)


async def test_a_failed_item_gives_its_price_back_and_the_others_are_paid(world: World) -> None:
    """One row is declined: its part's round refunds one token, in the commit that closes the batch."""
    await world.give("alice", 20)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="kind 1"))
    bulk_id = await world.start_bulk(items=rows(4), maxTokens=4)
    ended = await run_to_the_end(world, bulk_id)

    assert ended["counts"] == {"total": 4, "open": 0, "completed": 3, "failed": 1, "cancelled": 0}
    assert ended["firstErrors"] == [
        {"row": 2, "code": "provider_refused", "message": "The AI declined to answer this."}
    ]
    ledger = await world.documents("wallets/alice/ledger")
    assert ledger[f"bulk.{bulk_id}.refund.1.1"]["amount"] == 1
    assert (await world.read("wallets/alice"))["balance"] == 17
    await assert_promises_kept(world)


async def test_an_item_that_met_a_passing_trouble_is_asked_again_in_a_next_round(world: World) -> None:
    """The first batch answers three of four; the second asks for the fourth alone."""
    await world.give("alice", 20)
    world.provider.faults.add(ReplyRule(Reply.http_error(503), text="kind 2"))
    bulk_id = await world.start_bulk(items=rows(4), maxTokens=4)
    ended = await run_to_the_end(world, bulk_id)

    assert ended["counts"]["completed"] == 4
    first, second = await world.batches()
    assert (first["source"], first["jobCount"]) == ({"bulkId": bulk_id, "part": 1, "round": 1}, 4)
    assert (second["source"], second["jobCount"]) == ({"bulkId": bulk_id, "part": 1, "round": 2}, 1)
    await assert_promises_kept(world)


async def test_a_file_becomes_parts_by_its_template_and_an_unknown_column_is_refused(world: World) -> None:
    """A CSV of three rows; then a template that names a column which is not there: nothing is charged."""
    await world.give("alice", 20)
    source = {"uri": await world.upload("alice", "bulk/list.csv", b"name;kind\nAnna;jar\nBo;tin\n;box\n")}
    bulk_id = await world.start_bulk(source=source, template={"text": "A {{kind}} of {{name}}"}, maxTokens=3)
    ended = await run_to_the_end(world, bulk_id)
    assert ended["counts"]["completed"] == 3

    refused = await world.bulk(await world.start_bulk(source=source, template={"text": "{{colour}}"}, maxTokens=3))
    assert (refused["status"], refused["errorCode"]) == ("failed", "invalid_input")
    assert "colour" in refused["errorMessage"]
    assert "name, kind" in refused["errorMessage"]
    assert (await world.read("wallets/alice"))["balance"] == 17
    await assert_promises_kept(world)
