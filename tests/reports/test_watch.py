"""Alerts in the product: each is opened once and closed once, and one admin is notified of it once."""

import asyncio
from typing import Any

from local.openai_server import Reply, ReplyRule
from nightshift.reports import fold, history
from nightshift.reports.watch import Observed, watch
from nightshift.runtime import Runtime
from tests.support.promises import assert_audit_is_clean
from tests.support.world import World


async def alerts(world: World, kind: str) -> list[dict[str, Any]]:
    """The alerts of a kind, in their order."""
    every = sorted((await world.documents("alerts")).items())
    return [fields | {"id": name} for name, fields in every if fields["kind"] == kind]


async def test_a_batch_that_stays_too_long_is_an_alert_until_it_has_ended(world: World) -> None:
    """Opened by the first tick that finds it, kept by the next one, closed by the one after its end."""
    world.set_env(NIGHTSHIFT_ALERT_BATCH_SECONDS="7200", NIGHTSHIFT_ALERTS_TO="root")
    world.provider.hold("in_progress")
    await world.give("alice", 2)
    await world.submit("alice")
    assert await world.tick() == 200
    assert await alerts(world, "late_batch") == []
    world.pass_time(hours=3)

    for _ in range(2):
        assert await world.tick() == 200
    (late,) = await alerts(world, "late_batch")
    world.provider.release()
    await world.finish()
    assert await world.tick() == 200

    (over,) = await alerts(world, "late_batch")
    (batch,) = await world.batches()
    (note,) = [one for name, one in (await world.documents("notifications")).items() if name.startswith("alert.")]
    assert (late["isOpen"], late["limit"], batch["id"] in late["message"]) == (True, 7200, True)
    assert (over["id"], over["isOpen"], over["openedAt"]) == (late["id"], False, late["openedAt"])
    assert over["closedAt"] > over["openedAt"]
    assert (note["userId"], note["type"], note["message"]) == ("root", "alert", late["message"])


async def test_a_backlog_is_an_alert_while_jobs_wait(world: World) -> None:
    """And another one, when jobs wait again later."""
    world.set_env(NIGHTSHIFT_ALERT_BACKLOG_SECONDS="3600")
    await world.give("alice", 5)
    await world.api("POST", "/scheduler/stop", admin=True)
    for _ in range(2):
        await world.submit("alice")
        world.pass_time(hours=2)
        assert await world.tick() == 200
        assert [one["isOpen"] for one in await alerts(world, "backlog")][-1]
        await world.api("POST", "/scheduler/start", admin=True)
        await world.finish()
        assert await world.tick() == 200
        await world.api("POST", "/scheduler/stop", admin=True)

    assert [one["isOpen"] for one in await alerts(world, "backlog")] == [False, False]


async def test_too_many_failures_are_an_alert_until_they_are_hours_ago(world: World) -> None:
    """Of few ends no rate is computed; the rate is that of the last hours."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1", NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), text="trouble", times=None))
    await world.give("alice", 50)
    assert await world.tick() == 200
    await asyncio.gather(*(world.write("alice", input={"text": "trouble"}) for _ in range(4)))
    await asyncio.gather(*(world.write("alice") for _ in range(16)))
    world.pass_time(minutes=10)
    await world.finish()
    world.pass_time(minutes=10)
    assert await world.tick() == 200
    (opened,) = await alerts(world, "failure_rate")
    world.pass_time(hours=7)
    assert await world.tick() == 200

    (closed,) = await alerts(world, "failure_rate")
    assert (opened["isOpen"], opened["value"]) == (True, 0.2)
    assert not closed["isOpen"]
    await assert_audit_is_clean(world)


async def test_a_milestone_is_told_once_however_many_ticks_look_at_once(world: World) -> None:
    """Three ticks at the same time open it once, and notify once; an acknowledgement closes it."""
    world.set_env(NIGHTSHIFT_ALERTS_TO="root")
    await world.give("alice", 2)
    await world.submit("alice")
    await world.finish()
    (batch,) = await world.batches()
    money = {"costUsd": 2500.0, "realtimeCostUsd": 5000.0}
    await world.firestore.document(f"ai_batches/{batch['id']}").update(money)
    world.pass_time(minutes=5)
    runtimes = [world.operators_runtime() for _ in range(3)]

    async def look(runtime: Runtime) -> None:
        state = await fold.fold(runtime, runtime.time_limit(60))
        await watch(runtime, Observed(open_batches=[], oldest_queued_seconds=0.0, history=state))

    await asyncio.gather(*map(look, runtimes))
    await look(runtimes[0])

    told = await alerts(world, "savings_milestone")
    notes = [name for name in await world.documents("notifications") if name.startswith("alert.")]
    assert [(one["id"], one["isOpen"]) for one in told] == [
        ("savings_milestone.1000", True),
        ("savings_milestone.2000", True),
    ]
    assert sorted(notes) == ["alert.savings_milestone.1000", "alert.savings_milestone.2000"]
    seen = await world.api("POST", "/alerts/savings_milestone.1000/ack", "root", admin=True)
    assert not seen.json()["isOpen"]


async def test_many_milestones_at_once_are_told_by_one_tick_after_the_other(world: World) -> None:
    """The first fold of an old database finds them all; no commit grows with them, and none is left out."""
    world.set_env(NIGHTSHIFT_ALERTS_TO="root")
    runtime = world.operators_runtime()
    await world.firestore.document("metrics/history").set({"milestones": ["2026-11-21"] * 70})
    seen = Observed(open_batches=[], oldest_queued_seconds=0.0, history=await history.read_state(runtime))
    opened = list[int]()
    for _ in range(3):
        await watch(runtime, seen)
        opened.append(len(await alerts(world, "savings_milestone")))

    assert opened == [50, 70, 70]
    assert "alert.savings_milestone.70000" in await world.documents("notifications")
