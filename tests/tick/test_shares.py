"""How users share a tick: none waits for all that another one has."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from nightshift.functions import BULK_TOPIC
from nightshift.notify import deliver
from nightshift.runtime import TimeLimit
from nightshift.tick import tick
from tests.support.world import World


class _Taken:
    """A sending of nothing."""

    at = due_at = None
    sending = SimpleNamespace(ways=())


async def test_a_users_bulk_job_is_begun_though_anothers_use_their_time_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is new goes first, then the user who has used least. Workers are called for what is left."""
    await world.open_pubsub(BULK_TOPIC)
    for number in range(3):
        await world.write_bulk("mallory", f"export-{number}", status="exporting")
    await world.write_bulk("alice", "running", status="running")
    for uid in ("mallory", "alice"):
        await world.write_bulk(uid, f"new-{uid}")
    runtime = world.operators_runtime()
    advanced: list[str] = []

    async def advance_within(_: object, bulk_id: str, time_limit: TimeLimit, __: object) -> bool:
        """Mallory's take as long as they may, and are not finished then; Alice's take a second."""
        advanced.append(bulk_id)
        if bulk_id not in {"new-alice", "running"}:
            while not time_limit.is_over:
                world.pass_time(seconds=1)
            return True
        world.pass_time(seconds=1)
        return False

    monkeypatch.setattr(tick, "advance_within", advance_within)
    limit = TimeLimit(runtime.now, runtime.now() + timedelta(seconds=100))
    night = tick._Tick(runtime)
    # A batch of it has closed in this tick.
    night._moved_bulk_ids = {"running"}
    await night._advance_bulk_jobs(limit)

    assert set(advanced[:2]) == {"new-mallory", "new-alice"}
    assert advanced.index("running") < advanced.index("export-0")
    called = [call["data"] for call in await world.calls_for_workers(BULK_TOPIC)]
    assert len(called) == 4


async def test_a_user_with_messages_without_end_leaves_time_for_those_of_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of three is delivered to, within the time of all."""
    runtime = world.operators_runtime()
    for uid in ("mallory", "mallory2", "alice"):
        await world.firestore.document(f"digests/{uid}").set({"dueAt": runtime.now() - timedelta(hours=1)})
    delivered: list[str] = []

    async def take_without_end(_: object, user_id: str) -> object:
        """There is always one more."""
        delivered.append(user_id)
        world.pass_time(seconds=10)
        return _Taken()

    async def record(*_: object, **__: object) -> None:
        """Nothing to record."""

    monkeypatch.setattr(deliver, "take", take_without_end)
    monkeypatch.setattr(deliver, "record", record)
    limit = TimeLimit(runtime.now, runtime.now() + timedelta(seconds=90))
    await deliver.deliver_due(runtime, limit)

    assert {uid: delivered.count(uid) for uid in delivered} == {"mallory": 3, "mallory2": 3, "alice": 3}


async def test_a_flood_of_jobs_leaves_room_for_the_parts_of_bulk_jobs(world: World) -> None:
    """Jobs go first. Where the lane's tokens keep them waiting they would else take all room that becomes free."""
    world.set_env(NIGHTSHIFT_MAX_ENQUEUED_TOKENS="3000")
    await world.give("mallory", 40)
    await world.give("alice", 3)
    for _ in range(40):
        await world.write("mallory")
    bulk_id = await world.write_bulk("alice", items=[{"text": "a bottle"}], maxTokens=1)
    world.pass_time(minutes=5)
    for _ in range(3):
        assert await world.tick() == 200
        await world.provider.settled()
        world.pass_time(minutes=10)

    assert (await world.bulk(bulk_id))["status"] == "completed"
    assert len(await world.jobs("queued")) > 5, "the flood still waits"


async def test_workers_are_called_for_the_batches_that_the_time_was_too_short_for(world: World) -> None:
    """A tick without time settles nothing; the calls do, before the next tick."""
    await world.open_pubsub()
    await world.give("alice", 2)
    job_ids = [await world.submit("alice") for _ in range(2)]
    await world.provider.settled()
    runtime = world.operators_runtime()

    await tick._Tick(runtime)._advance_open_batches(TimeLimit(runtime.now, runtime.now()))
    assert len(await world.jobs("processing")) == 2
    await world.deliver_calls()

    assert set(await world.jobs("completed")) == set(job_ids)
