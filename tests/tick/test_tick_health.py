"""`tick_done`: what the last event of a tick says of the night, and what it costs to say so."""

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bench.counting import bill, counter
from local.openai_server import RequestFault
from nightshift.admission.admit import admit
from nightshift.batches import submission
from nightshift.runtime import Runtime
from nightshift.tick.tick import tick
from tests.functions.test_log_hygiene import refusing_firestore
from tests.support.world import World


async def _tick(runtime: Runtime) -> dict[str, Any]:
    """A tick; its last event."""
    with capture_logs() as events:
        await tick(runtime)
    assert events[-1]["event"] == "tick_done"
    return dict(events[-1])


async def _admitted(world: World, runtime: Runtime, *priorities: int) -> None:
    await world.give("alice", len(priorities))
    for priority in priorities:
        await admit(runtime, await world.write("alice", priority=priority))


async def test_a_quiet_night_is_all_zeros(world: World) -> None:
    """Zeros are figures too: without them no alert could tell quiet from unknown."""
    health = await _tick(world.operators_runtime())

    figures = {name: figure for name, figure in health.items() if name not in {"event", "log_level", "seconds"}}
    assert figures == dict.fromkeys(
        ("queued", "oldest_queued_seconds", "open_batches", "oldest_batch_seconds", "duties_failed"), 0
    )


async def test_the_oldest_job_is_found_in_any_lane_and_of_any_priority(world: World) -> None:
    """The last of its lane may be the oldest of all, since a higher priority goes first."""
    await submission.switch(world.operators_runtime(), is_stopped=True, by="root")
    await _admitted(world, world.operators_runtime(), 9, 1, 9, 5)
    await _admitted(world, world.operators_runtime(model="gpt-5-nano"), 3, 3)
    jobs = await world.jobs("queued")
    oldest = next(job_id for job_id, job in jobs.items() if job["priority"] == 1)
    long_ago = world.now() - timedelta(days=3)
    await world.firestore.collection("ai_jobs").document(oldest).update({"queuedAt": long_ago})

    health = await _tick(world.operators_runtime())

    assert health["queued"] == 6
    assert health["oldest_queued_seconds"] == pytest.approx(3 * 24 * 3600, abs=60)


async def test_the_oldest_open_batch_is_aged_since_it_was_submitted(world: World) -> None:
    """As the tick found it; a closed batch does not count."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice")
    world.pass_time(hours=3)
    health = await _tick(world.operators_runtime())

    assert health["open_batches"] == 1
    assert health["oldest_batch_seconds"] == pytest.approx(3 * 3600, abs=60)
    world.provider.release()
    await world.finish()
    assert (await _tick(world.operators_runtime()))["oldest_batch_seconds"] == 0


async def test_what_failed_is_counted_by_duty_and_by_batch(world: World) -> None:
    """A listing of files that cannot be had is one, a batch that cannot advance is another."""
    await world.give("alice", 1)
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=500))
    await world.submit("alice")
    world.provider.faults.add(
        RequestFault("GET", "/v1/files.*", status=500, times=None),
        RequestFault("GET", "/v1/batches.*", status=500, times=None),
    )
    world.pass_time(minutes=3)

    assert (await _tick(world.operators_runtime()))["duties_failed"] == 2


async def test_a_tick_without_a_database_says_what_it_does_not_know(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes to its end, each duty failed, and no figure is made up."""
    async with refusing_firestore("no") as address:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        runtime = Runtime(world.operators_runtime().settings)
        health = await _tick(runtime)
        runtime.firestore.close()

    assert health["duties_failed"] >= 4
    assert not {"queued", "oldest_queued_seconds", "open_batches", "oldest_batch_seconds"} & health.keys()


async def test_a_tick_that_runs_out_of_time_still_says_how_long_the_backlog_is(world: World) -> None:
    """It is then that an operator wants to know."""
    await _admitted(world, world.operators_runtime(), 5)

    health = await _tick(world.operators_runtime(tick_seconds=1e-9))

    assert (health["queued"], "open_batches" in health) == (1, False)


@pytest.mark.parametrize(("waiting", "reads"), [(0, 0), (3, 3)])
async def test_the_figures_cost_a_read_of_each_priority_that_waits(
    monkeypatch: pytest.MonkeyPatch, waiting: int, reads: int
) -> None:
    """One for the count, one for the oldest job, one to learn that there is no other priority; none when none waits."""
    with counter():
        async with World(monkeypatch).running() as world:
            await submission.switch(world.operators_runtime(), is_stopped=True, by="root")
            await _admitted(world, world.operators_runtime(), *[5] * waiting)
            runtime = world.operators_runtime()
            # The first tick of a project looks where its history begins.
            await tick(runtime)
            with bill() as billed:
                await tick(runtime)
            with monkeypatch.context() as without:
                without.setattr("nightshift.tick.tick._Tick._look_at_the_backlog", _nothing)
                with bill() as bare:
                    await tick(runtime)

    assert billed.reads - bare.reads == reads


async def _nothing(_: object) -> None:
    """A tick that tells nothing of the backlog."""
