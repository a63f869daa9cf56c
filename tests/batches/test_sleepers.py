"""A living holder that sleeps past its lease in the middle of a step, and wakes up when others have done its work.

Whatever step it was at: it changes nothing any more, and nothing is done twice.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from local.openai_server import BatchFault, Reply, ReplyRule
from tests.support.pause import Pause, When, pause_commit, pause_provider, pause_storage
from tests.support.promises import assert_promises_kept
from tests.support.world import World

Stop = Callable[[pytest.MonkeyPatch], Pause]


def at_provider(method: str, path: str, when: When) -> Stop:
    """Stop in a call to the provider."""
    return lambda monkeypatch: pause_provider(monkeypatch, method, path, when)


def at_storage(name: str, when: When) -> Stop:
    """Stop in the writing of a batch's file."""
    return lambda monkeypatch: pause_storage(monkeypatch, name, when)


def at_commit(*parts: str, when: When = "before") -> Stop:
    """Stop in the first commit in which all of this stands."""
    return lambda monkeypatch: pause_commit(monkeypatch, lambda writes: all(part in writes for part in parts), when)


def at_lane_alone(when: When) -> Stop:
    """Stop in the first commit to a lane that creates no batch."""
    return lambda monkeypatch: pause_commit(
        monkeypatch, lambda writes: "/lanes/" in writes and "/ai_batches/" not in writes, when
    )


def sets_status(status: str) -> str:
    """What a commit to `ai_batches` holds that brings a batch into this status."""
    return f'key: "status"\n    value {{\n      string_value: "{status}"'


STOPS: dict[str, Stop] = {
    "before the first claim": at_commit("/ai_batches/", "/ai_jobs/"),
    "after the first claim": at_commit("/ai_batches/", "/ai_jobs/", when="after"),
    "before the next claim": at_commit("/ai_jobs/", "integer_value: 2", "jobCount"),
    "after the next claim": at_commit("/ai_jobs/", "integer_value: 2", "jobCount", when="after"),
    "before the input file": at_storage("input.jsonl", "before"),
    "after the input file": at_storage("input.jsonl", "after"),
    "before the upload": at_provider("POST", "/v1/files", "before"),
    "after the upload": at_provider("POST", "/v1/files", "after"),
    "before the upload's record": at_commit("/ai_batches/", "createLandsBy"),
    "after the upload's record": at_commit("/ai_batches/", "createLandsBy", when="after"),
    "before the create": at_provider("POST", "/v1/batches", "before"),
    "after the create": at_provider("POST", "/v1/batches", "after"),
    "before the create's record": at_commit("/ai_batches/", sets_status("submitted")),
    "before the lane's release": at_lane_alone("before"),
    "after the lane's release": at_lane_alone("after"),
    "before the outcome": at_commit("/ai_batches/", sets_status("ingesting")),
    "after the outcome": at_commit("/ai_batches/", sets_status("ingesting"), when="after"),
    "before the download": at_provider("GET", "/v1/files/.*/content", "before"),
    "after the download": at_provider("GET", "/v1/files/.*/content", "after"),
    "before the copy": at_storage("output.jsonl", "before"),
    "after the copy": at_storage("output.jsonl", "after"),
    "before the lines": at_commit("/classifications/"),
    "after the lines": at_commit("/classifications/", when="after"),
    "before a deletion": at_provider("DELETE", "/v1/files/.*", "before"),
    "after a deletion": at_provider("DELETE", "/v1/files/.*", "after"),
    "before the close": at_commit("/ai_batches/", sets_status("completed")),
    "after the close": at_commit("/ai_batches/", sets_status("completed"), when="after"),
}


@pytest.mark.parametrize("stop", STOPS)
async def test_a_sleeper_changes_nothing_when_it_wakes_up(
    world: World, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    """Its lease ran out, another tick took over and finished; another job has passed the lane since."""
    world.bound(page_jobs=1)
    await world.give("alice", 9)
    for _ in range(3):
        await world.write("alice")
    world.pass_time(seconds=121)
    pause = STOPS[stop](monkeypatch)
    sleeper = await tick_until(world, pause)

    world.pass_time(seconds=121)
    await world.finish()
    await world.submit("alice")
    await world.finish()
    before = await everything(world)
    pause.end()

    assert await sleeper == 200
    assert await everything(world) == before
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}
    assert len(world.provider.batches) == len(await world.batches())
    assert await world.tick() == 200
    await assert_promises_kept(world)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_sleeper_refunds_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch, when: When) -> None:
    """It slept over a refund that another tick gave meanwhile."""
    world.provider.faults.add(ReplyRule(Reply.http_error(400, "context_length_exceeded"), times=None))
    await world.give("alice", 3)
    for _ in range(3):
        await world.submit("alice")
    pause = at_commit("/ledger/", "refund", when=when)(monkeypatch)
    sleeper = await tick_until(world, pause)

    # Another instance: in the sleeper's own one, further commits to the wallet wait for the one that sleeps.
    world.set_env()
    world.pass_time(seconds=121)
    await world.finish()
    before = await everything(world)
    pause.end()

    assert await sleeper == 200
    assert await everything(world) == before
    assert (await world.read("wallets/alice"))["balance"] == 3
    await assert_promises_kept(world)


async def test_a_sleeper_backs_no_lane_off_that_others_use_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue was full when it fell asleep; it is not full any more, and the lane stays open."""
    world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded"))
    await world.give("alice", 9)
    job_id = await world.submit("alice")
    pause = at_commit("/lanes/", "backsOffUntil")(monkeypatch)
    sleeper = await tick_until(world, pause)

    world.pass_time(seconds=121)
    await world.provider.settled()
    assert await world.tick() == 200
    world.pass_time(minutes=31)
    await world.finish()
    before = await everything(world)
    pause.end()

    assert await sleeper == 200
    assert await everything(world) == before
    assert (await world.job(job_id))["attempts"] == 1
    await assert_promises_kept(world)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_sleepers_late_create_is_cancelled(world: World, monkeypatch: pytest.MonkeyPatch, when: When) -> None:
    """Its create call arrives when the batch was made by another; the next tick leaves one of the two alive."""
    world.provider.faults.add(BatchFault(hidden_listings=2))
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.write("alice")
    world.pass_time(seconds=121)
    pause = at_provider("POST", "/v1/batches", when)(monkeypatch)
    sleeper = await tick_until(world, pause)
    world.pass_time(seconds=121)
    assert await world.tick() == 200
    pause.end()
    assert await sleeper == 200
    assert len(world.provider.batches) == 2

    assert await world.tick() == 200
    assert await world.tick() == 200
    world.provider.release()
    await world.provider.settled()

    recorded = (await world.batches())[0]["remoteId"]
    statuses = {remote_id: batch.status for remote_id, batch in world.provider.batches.items()}
    assert statuses.pop(recorded) == "completed"
    assert set(statuses.values()) == {"cancelled"}
    await world.finish()
    assert (await world.job(job_id))["attempts"] == 1
    await assert_promises_kept(world)


WORKER_STOPS: dict[str, Stop] = {
    "before its lines": at_commit("/classifications/"),
    "after its lines": at_commit("/classifications/", when="after"),
    "before its record": at_commit("/shards/", "tally"),
    "after its record": at_commit("/shards/", "tally", when="after"),
}


@pytest.mark.parametrize("stop", WORKER_STOPS)
async def test_a_sleeping_worker_changes_nothing_when_it_wakes_up(
    world: World, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    """Its shard was settled by a tick, and the batch closed; the shard's document is gone."""
    await cut_into_shards(world)
    pause = WORKER_STOPS[stop](monkeypatch)
    call, *_ = await world.calls_for_workers()
    sleeper = asyncio.create_task(world.work(call))
    await pause.begun()

    world.pass_time(seconds=121)
    await world.finish()
    before = await everything(world)
    pause.end()
    await sleeper

    assert await everything(world) == before
    assert await world.work(call) == 200
    assert await everything(world) == before
    await assert_promises_kept(world)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_tick_that_slept_while_cutting_cuts_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, when: When
) -> None:
    """Another tick took over, cut the output or found it cut, and finished."""
    pause = at_commit("/shards/", "isSettled", when=when)(monkeypatch)
    cutting = asyncio.create_task(cut_into_shards(world))
    await pause.begun()

    world.pass_time(seconds=121)
    await world.finish()
    before = await everything(world)
    pause.end()
    await cutting

    assert await everything(world) == before
    await assert_promises_kept(world)


async def cut_into_shards(world: World) -> None:
    """Five jobs, answered, and their output cut in three; the calls for workers are published."""
    await world.open_pubsub()
    world.set_env(NIGHTSHIFT_SHARD_LINES="2")
    await world.give("alice", 5)
    for _ in range(5):
        await world.write("alice")
    world.pass_time(seconds=121)
    assert await world.tick() == 200
    await world.provider.settled()
    assert await world.tick() == 200


async def tick_until(world: World, pause: Pause) -> "asyncio.Task[int]":
    """Tick until a tick is stopped; returns that tick."""
    begun = asyncio.create_task(pause.begun())
    for _ in range(10):
        await world.provider.settled()
        tick = asyncio.create_task(world.tick())
        await asyncio.wait([tick, begun], return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            return tick
    raise AssertionError("no tick was stopped")


async def everything(world: World) -> dict[str, Any]:
    """All documents of the project, with the times of their last writes, but for what a tick records of itself."""
    found = {}
    async for collection in world.firestore.collections():
        if collection.id in {"ticks", "metrics", "metrics_days"}:
            continue
        async for snapshot in collection.stream():
            found[snapshot.reference.path] = (snapshot.update_time, snapshot.to_dict())
    for group in ("ledger", "shards"):
        async for snapshot in world.firestore.collection_group(group).stream():
            found[snapshot.reference.path] = (snapshot.update_time, snapshot.to_dict())
    return found
