"""Bulk jobs whose document is as large as the database takes: each ends, and costs no other user anything."""

import pytest

from tests.support.promises import assert_promises_kept
from tests.support.world import World

# What a client may write into its document, and no longer what the functions may add.
_LARGEST = 1_048_300


@pytest.mark.parametrize("tokens", [0, 5])
async def test_a_bulk_job_whose_rows_fill_its_document_fails_and_leaves_it_small(world: World, tokens: int) -> None:
    """There is no room for what begins the reading. A user without tokens is refused before the rows are read."""
    await world.give("alice", tokens)
    world.pass_time(minutes=5)
    bulk_id = await world.write_bulk("alice", "large", items=[{"text": "x" * (_LARGEST - 250)}], maxTokens=1)

    assert await world.trigger_bulk(bulk_id) == 200
    assert await world.tick() == 200

    bulk = await world.bulk(bulk_id)
    code = "invalid_input" if tokens else "insufficient_tokens"
    assert (bulk["status"], bulk["errorCode"]) == ("failed", code)
    assert "items" not in bulk
    assert (await world.read("wallets/alice"))["balance"] == tokens
    assert (await world.read(f"notifications/bulk.{bulk_id}"))["type"] == "bulk_failed"
    await assert_promises_kept(world)
