"""Estimates are corrected by what the lane's last batches were billed."""

import pytest

from nightshift.batches import documents as batches
from nightshift.batches.correction import Correction
from nightshift.values.lane import Lane
from tests.support.world import World

LANE = Lane(provider="openai", endpoint="/v1/chat/completions", model="gpt-5-mini")


async def _put(world: World, name: str, requests: int, billed: int, **fields: object) -> None:
    """A closed batch that was estimated at 1,000 tokens and 0.01 dollars a request."""
    batch = {
        **{"lane": str(LANE), "status": "completed", "jobCount": requests, "counts": {"completed": requests}},
        **{"estimatedTokens": 1_000 * requests, "estimatedUsd": 0.01 * requests, "createdAt": world.now()},
        **{"usage": {"inputTokens": billed * requests, "outputTokens": 1}, "costUsd": 0.03 * requests},
    } | fields
    await world.firestore.document(f"ai_batches/{name}").set(batch)


async def test_the_last_batches_teach_the_next_one(world: World) -> None:
    """Together, each by its size, whatever it was corrected by itself; and the next batch uses it."""
    runtime = world.operators_runtime(daily_budget_usd=100)
    await _put(world, "one", 40, 5_000)
    assert await batches.correction(runtime, LANE) == Correction(), "too few requests"
    await _put(world, "two", 60, 5_000, correction={"tokens": 2.0, "usd": 1.0})
    taught = await batches.correction(runtime, LANE)
    assert taught.tokens == pytest.approx(5_000 * 100 / (40_000 + 30_000))
    assert taught.usd == pytest.approx(3)
    await _put(world, "half", 500, 90_000, counts={"completed": 400, "failed": 100})
    assert await batches.correction(runtime, LANE) == taught, "what was not answered was not billed"
    await _put(world, "odd", 500, 10**9, estimatedTokens=1)
    assert (await batches.correction(runtime, LANE)).tokens == 20

    await world.firestore.document("ai_batches/odd").delete()
    await world.give("alice", 1)
    await world.submit("alice", "first")
    await world.finish()
    plain = next(batch for batch in await world.batches() if batch["id"].startswith("ns-"))
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="1000", NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("bob", 1)
    await world.write("bob", "second")
    world.pass_time(hours=1)
    await world.tick()
    corrected = next(b for b in await world.batches() if b["id"].startswith("ns-") and b["id"] != plain["id"])
    learned = await batches.correction(runtime, LANE)
    assert corrected["correction"] == pytest.approx(learned.fields(), rel=0.05)
    assert corrected["estimatedTokens"] == pytest.approx(plain["estimatedTokens"] * learned.tokens, rel=0.05)
    assert corrected["estimatedUsd"] == pytest.approx(plain["estimatedUsd"] * learned.usd, rel=0.05)
