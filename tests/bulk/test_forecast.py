"""When a bulk job will be done is foretold from the quote on, by what its lane needed. The end judges it."""

from datetime import timedelta
from typing import Any

import pytest

from nightshift.batches.batch import OPEN
from nightshift.bulk import wishes
from nightshift.bulk.eta import MIN_HISTORY
from nightshift.bulk.forecast import hit_rate
from nightshift.functions import BULK_TOPIC
from tests.bulk.test_batch_mode import rows, run_to_the_end
from tests.support.operating import operate
from tests.support.world import World

HOUR = timedelta(hours=1)


async def _remember(world: World, lane: str, hours: float, batches: int = MIN_HISTORY) -> None:
    """Put batches of a lane on record that took so long, before today."""
    provider, endpoint, model = lane.split(":", 2)
    begun = world.now() - timedelta(days=3)
    for number in range(batches):
        submitted = begun + timedelta(minutes=number)
        fields = {
            **{"provider": provider, "endpoint": endpoint, "model": model, "lane": lane, "status": "completed"},
            **{"jobCount": 1, "counts": {"completed": 1}, "budgetDay": "2020-01-01", "costUsd": 0.0},
            **{"createdAt": submitted, "submittedAt": submitted, "endedAt": submitted + hours * HOUR},
        }
        await world.firestore.document(f"ai_batches/ns-{number:020}").set(fields)


async def test_a_lane_without_a_history_says_by_when_at_the_latest(world: World) -> None:
    """The quote has a range, and says that it rests on nothing yet; the API shows it; no end is foretold by it."""
    await world.give("alice", 20)
    bulk_id = await world.start_bulk(items=rows(2))
    quoted = await world.bulk(bulk_id)
    assert quoted["eta"].keys() == {"from", "to", "basis"}
    assert "By then each row is answered, or its tokens are back." in quoted["eta"]["basis"]
    assert quoted["eta"]["to"] - quoted["eta"]["from"] == 3 * timedelta(hours=24)
    shown = (await world.api("GET", f"/bulk-jobs/{bulk_id}")).json()["eta"]
    assert shown["basis"] == quoted["eta"]["basis"]
    assert shown["from"] < shown["to"]

    await wishes.confirm(world.operators_runtime(), bulk_id)
    ended = await run_to_the_end(world, bulk_id)
    assert ended["eta"] is None
    assert "etaHit" not in ended


async def test_the_lanes_last_batches_foretell_the_end_and_the_end_is_compared(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Batches took an hour: one bulk job ends then, one only after five; a pause forgets what was foretold."""
    await world.give("alice", 40)
    lane = "openai:/v1/chat/completions:gpt-5-mini"
    await _remember(world, lane, hours=1)
    world.provider.hold("in_progress")
    prompt = await world.start_bulk(items=rows(2), maxTokens=2)
    foretold = (await world.bulk(prompt))["eta"]
    assert foretold["from"] - world.now() < HOUR < foretold["to"] - world.now()
    assert (await world.bulk(prompt))["firstEta"] == foretold

    world.pass_time(minutes=30)
    assert await world.tick() == 200
    later = (await world.bulk(prompt))["eta"]
    assert later["to"] < foretold["to"], "half an hour of it is over"
    assert (await world.bulk(prompt))["firstEta"] == foretold

    world.pass_time(minutes=30)
    world.provider.release()
    assert (await run_to_the_end(world, prompt))["etaHit"] is True

    world.provider.hold("in_progress")
    late = await world.start_bulk(items=rows(2), maxTokens=2)
    paused = await world.start_bulk(items=rows(2), maxTokens=2)
    await wishes.pause(world.operators_runtime(), paused)
    assert await world.work_bulk(paused) == 200
    assert (await world.bulk(paused))["eta"] is None
    world.pass_time(minutes=300)
    world.provider.release()
    assert (await run_to_the_end(world, late))["etaHit"] is False
    assert "etaHit" not in await run_to_the_end(world, paused)

    rate = await hit_rate(world.operators_runtime())
    assert (rate.foretold, rate.hits) == (2, 1)
    assert (await world.api("GET", "/queue", admin=True)).json()["bulk"] == {
        "open": 0,
        "endForetold": 2,
        "endedAsForetold": 1,
    }
    code, told, _ = await operate(world, capsys, "stats", "--json")
    assert code == 0
    assert '"endedAsForetold": 1' in told


async def test_in_real_time_the_pace_so_far_foretells_the_end(world: World) -> None:
    """After 24 of 30 rows, the rest is expected in a quarter of the time that these took, about."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="24")
    # So that parts are left to workers, who come when the test calls them.
    await world._pubsub("PUT", f"topics/{BULK_TOPIC}", {})
    await world.give("alice", 200)
    bulk_id = await world.start_bulk(items=rows(30), mode="instant", maxTokens=150)
    assert "It has only begun." in (await world.bulk(bulk_id))["eta"]["basis"]
    world.pass_time(minutes=4)
    assert await world.work_bulk(bulk_id, 1) == 200
    bulk: dict[str, Any] = await world.bulk(bulk_id)
    assert bulk["counts"]["completed"] == 24
    assert bulk["eta"]["basis"] == "By its own pace so far."
    assert timedelta(seconds=30) < bulk["eta"]["to"] - world.now() < timedelta(minutes=4)
    assert not set(OPEN) & {batch["status"] for batch in await world.batches()}
