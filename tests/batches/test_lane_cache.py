"""The lane cache: a burst reads a lane's document once a window, and no job waits longer than that."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from google.cloud.firestore import AsyncDocumentReference

from nightshift.batches import lanes
from nightshift.values.lane import Lane
from tests.support.promises import assert_promises_kept
from tests.support.world import World

LANE = Lane(provider="openai", endpoint="/v1/chat/completions", model="gpt-5-mini")


@pytest.fixture
def lane_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the lanes that were read, in order."""
    paths: list[str] = []
    real = AsyncDocumentReference.get

    async def recording(ref: AsyncDocumentReference, *args: Any, **options: Any) -> Any:
        if ref.path.startswith("lanes/"):
            paths.append(ref.path)
        return await real(ref, *args, **options)

    monkeypatch.setattr(AsyncDocumentReference, "get", recording)
    return paths


async def test_a_burst_reads_its_lane_once_a_window(world: World, lane_reads: list[str]) -> None:
    """The leader reads it; the others know."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="60")
    await world.give("alice", 40)
    await world.submit("alice")
    world.pass_time(seconds=1)
    for _ in range(19):
        await world.submit("alice")
    assert len(lane_reads) == 1

    world.pass_time(seconds=60)
    await world.submit("alice")

    assert len(lane_reads) == 2
    assert [batch["jobCount"] for batch in await world.batches()] == [1, 20]
    await world.finish()
    await assert_promises_kept(world)


async def test_of_simultaneous_triggers_one_looks_at_the_lane(world: World, lane_reads: list[str]) -> None:
    """Thirty that find a quiet lane at the same moment leave it to one, which takes along who was queued by then."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 30)
    job_ids = [await world.write("alice") for _ in range(30)]

    assert set(await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids))) == {200}

    assert len(await world.batches()) == 1
    # A slow computer may look again when the lease is no longer remembered.
    assert len(lane_reads) < 10
    await world.finish()
    assert len(await world.batches()) <= 2
    await assert_promises_kept(world)


async def test_while_a_lane_backs_off_its_jobs_gather_without_reading_it(world: World, lane_reads: list[str]) -> None:
    """One reading until it ends, and then the next trigger submits."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    await world.give("alice", 6)
    until = world.now() + timedelta(minutes=30)
    await world.firestore.document(f"lanes/{LANE.document_id}").set({"lane": str(LANE), "backsOffUntil": until})

    for _ in range(5):
        await world.submit("alice")
        world.pass_time(minutes=5)
    assert len(lane_reads) == 1
    world.pass_time(minutes=6)
    await world.submit("alice")

    assert [batch["jobCount"] for batch in await world.batches()] == [6]


async def test_a_tick_looks_for_itself(world: World) -> None:
    """A back-off that was taken back is remembered by triggers until its end, and by no tick."""
    runtime = world.operators_runtime(coalesce_seconds=15)
    ref = world.firestore.document(f"lanes/{LANE.document_id}")
    await ref.set({"lane": str(LANE), "backsOffUntil": world.now() + timedelta(minutes=30)})
    assert await lanes.take(runtime, LANE, coalesce=True) is None
    await ref.delete()

    assert await lanes.take(runtime, LANE, coalesce=True) is None
    assert await lanes.take(runtime, LANE, coalesce=False)


async def test_a_held_lane_is_remembered_for_a_second(world: World) -> None:
    """Its holder may release it at any moment, and without having submitted anything."""
    here, there = (world.operators_runtime(coalesce_seconds=15) for _ in range(2))
    held = await lanes.take(here, LANE, coalesce=True)
    assert held
    await held.lease.on_record()
    assert await lanes.take(there, LANE, coalesce=True) is None
    await held.lease.write({}, release=True)

    world.pass_time(seconds=1)

    assert await lanes.take(there, LANE, coalesce=True)


async def test_without_a_window_nothing_is_remembered(world: World) -> None:
    """With 0 every trigger may submit: one that finds the lane held or backing off says nothing about the next."""
    here, there = (world.operators_runtime(coalesce_seconds=0) for _ in range(2))
    held = await lanes.take(here, LANE, coalesce=True)
    assert held
    await held.lease.on_record()
    assert await lanes.take(there, LANE, coalesce=True) is None
    await held.lease.write({"lastSubmittedAt": world.now()}, release=True)

    held = await lanes.take(there, LANE, coalesce=True)
    assert held
    await held.lease.ref.update({"backsOffUntil": world.now() + timedelta(minutes=30)})
    assert await lanes.take(here, LANE, coalesce=True) is None
    await held.lease.ref.delete()

    assert await lanes.take(here, LANE, coalesce=True)


async def test_of_several_at_once_one_takes_the_lane(world: World, lane_reads: list[str]) -> None:
    """With a window or without one; the next trigger reads the lane again."""
    for seconds in (0, 15):
        lane_reads.clear()
        runtime = world.operators_runtime(coalesce_seconds=seconds)

        taken = await asyncio.gather(*(lanes.take(runtime, LANE, coalesce=True) for _ in range(5)))

        assert len([held for held in taken if held]) == 1
        assert len(lane_reads) == 1


async def test_a_busy_lane_is_taken_on_record_and_a_quiet_one_with_its_batch(world: World) -> None:
    """Where a burst waits for the window to end, one instance reads its jobs; a lone job costs no write more."""
    here, there = (world.operators_runtime(coalesce_seconds=15) for _ in range(2))
    quiet = await lanes.take(here, LANE, coalesce=True)
    assert quiet
    assert not quiet.lease.is_on_record
    await quiet.lease.write({"lastSubmittedAt": world.now()}, release=True)
    world.pass_time(seconds=20)

    taken = await asyncio.gather(*(lanes.take(runtime, LANE, coalesce=True) for runtime in (here, there)))

    (busy,) = filter(None, taken)
    assert busy.lease.is_on_record
