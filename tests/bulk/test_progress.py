"""How often a bulk job's document is written while it runs: an app listens to it, and each write is paid."""

from datetime import timedelta
from itertools import pairwise

from local.openai_server import RequestFault
from tests.bulk.test_batch_mode import rows, run_to_the_end
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def test_progress_is_written_at_most_every_five_seconds_and_catches_up(world: World) -> None:
    """Five parts close two seconds apart: of two closings at most one is written, and none is forgotten."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="1")
    await world.give("alice", 9)
    world.provider.hold("in_progress")
    bulk_id = await world.start_bulk(items=rows(6), maxTokens=6)
    written = []
    for remote_id in list(world.provider.batches)[:5]:
        await world.provider.expire(remote_id, answered=1)
        assert await world.tick() == 200
        written.append((await world.bulk(bulk_id)).get("progressAt"))
        world.pass_time(seconds=2)
    closed = [part["status"] for part in await world.parts(bulk_id)].count("closed")
    world.pass_time(seconds=5)
    assert await world.tick() == 200

    noted = await world.bulk(bulk_id)
    times = sorted({at for at in [*written, noted["progressAt"]] if at})
    assert len(times) >= 2
    assert all(later - earlier >= timedelta(seconds=5) for earlier, later in pairwise(times))
    assert (closed, noted["counts"]["completed"]) == (5, 5)
    world.provider.release()
    assert (await run_to_the_end(world, bulk_id))["counts"]["completed"] == 6
    await assert_promises_kept(world)


async def test_in_real_time_a_worker_tells_the_progress_while_it_answers(world: World) -> None:
    """One of three answers takes longer than a check-in; the document was written before it came."""
    await world.give("alice", 20)
    world.provider.faults.add(RequestFault("POST", "/v1/chat/completions", status=None, delay_seconds=4, times=1))
    bulk = await world.bulk(await world.start_bulk(items=rows(3), mode="instant", maxTokens=15))

    assert bulk["counts"]["completed"] == 3
    assert bulk["startedAt"] < bulk["progressAt"] < bulk["completedAt"]
    await assert_promises_kept(world)
