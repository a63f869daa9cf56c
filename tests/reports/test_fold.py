"""The fold: what has ended is counted once, on its day, by type, provider and model, as the documents have it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cli.audit import history as audit_history
from cli.audit.scope import Scope
from local.openai_server import Reply, ReplyRule
from nightshift.reports import fold, history
from nightshift.values.day_sums import DaySums, GroupKey
from tests.support.promises import assert_history_adds_up, assert_promises_kept
from tests.support.world import MODEL, World

BATCH = GroupKey(type="waste_classification", provider="openai", model=MODEL, mode="batch")
INSTANT = GroupKey(type="waste_classification", provider="openai", model=MODEL, mode="instant")


async def folded(world: World) -> DaySums:
    """All days of the history added up, after a fold of what has ended by now."""
    world.pass_time(minutes=5)
    runtime = world.operators_runtime()
    await fold.fold(runtime, runtime.time_limit(60))
    whole = DaySums()
    for fields in (await world.documents("metrics_days")).values():
        whole += DaySums.read(fields)
    return whole


def close(one: float, other: float) -> bool:
    """Whether two sums of dollars are the same, but for the order of adding up."""
    return abs(one - other) < 1e-9


@pytest.mark.parametrize("is_counted", [False, True])
async def test_the_cost_of_a_job_that_is_run_again_is_counted_once(world: World, is_counted: bool) -> None:
    """Whether its first end was counted before it was run again, or not: the history has what its document has."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), text="trouble", times=1))
    await world.give("alice", 10)
    job_id = await world.submit("alice", speed="instant", input={"text": "trouble"})
    former = (await world.jobs("failed"))[job_id]["costUsd"]
    if is_counted:
        assert close((await folded(world)).total.cost_usd, former)
    assert (await world.api("POST", f"/jobs/{job_id}/retry", admin=True)).status_code == 200
    await world.finish()

    day = await folded(world)

    whole = (await world.jobs("completed"))[job_id]["costUsd"]
    assert whole > former > 0
    assert close(day.total.cost_usd, whole)
    assert (day.total.completed, day.total.failed) == (1, int(is_counted))


async def test_a_batch_of_two_types_is_counted_by_type_as_its_jobs_ended(world: World) -> None:
    """How they ended, their tokens, their cost and waiting; the groups add up to the batch."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_MAX_ATTEMPTS="1")
    await world.give("alice", 10)
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), text="trouble", times=None))
    await world.submit("alice")
    world.pass_time(hours=2)
    for text in ("a tin", "trouble", "a jar"):
        await world.write("alice", input={"text": text})
    await world.write("alice", type="photo_rating", input={"imageUri": await world.upload("alice")})
    await world.finish()

    day = await folded(world)
    batches = await world.batches()

    waste, rating = day.groups[BATCH], day.groups[replace(BATCH, type="photo_rating")]
    assert (waste.completed, waste.failed, waste.tokens) == (3, 1, 3)
    assert (rating.completed, rating.failed) == (1, 0)
    assert close(day.total.cost_usd, sum(batch["costUsd"] for batch in batches))
    assert close(day.total.realtime_cost_usd, sum(batch["realtimeCostUsd"] for batch in batches))
    assert day.total.input_tokens == sum(batch["usage"]["inputTokens"] for batch in batches)
    assert waste.cost_usd > rating.cost_usd > 0
    assert dict(day.errors) == {"result_invalid": 1}
    assert dict(day.batches) == {"completed": len(batches)}
    assert day.total.waits.total == 4


async def test_an_answer_in_real_time_and_a_cancelled_job_are_counted_on_the_day_of_their_end(world: World) -> None:
    """At the price that they had, and by what their users paid."""
    await world.give("alice", 10)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.submit("alice", "fast", speed="instant")
    await world.submit("alice")
    waiting = await world.submit("alice")
    assert (await world.api("POST", f"/jobs/{waiting}/cancel")).status_code == 200
    await world.finish()

    total = await folded(world)

    job = await world.job("fast")
    instant = total.groups[INSTANT]
    assert (instant.completed, instant.cancelled, instant.tokens) == (1, 1, 5)
    assert (instant.cost_usd, instant.saved_usd) == (job["costUsd"], 0)
    assert (total.groups[BATCH].completed, total.groups[BATCH].tokens) == (1, 1)
    assert total.groups[BATCH].saved_usd > 0


async def test_the_items_of_bulk_jobs_are_counted_in_both_lanes(world: World) -> None:
    """A part in a batch by its batch; one in real time by its check-ins, also after what failed ran again."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1", NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 100)
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), text="trouble", times=None))
    items = [{"text": "a tin"}, {"text": "trouble"}, {"text": "a jar"}]
    await world.start_bulk("alice", items=items, maxTokens=100)
    fast = await world.start_bulk("alice", items=items, mode="instant", maxTokens=100)
    for part in (1, 2):
        assert await world.work_bulk(fast, part) == 200
    for _ in range(4):
        await world.provider.settled()
        assert await world.tick() == 200
        world.pass_time(minutes=10)
    before = await folded(world)
    world.provider.faults.clear()
    assert (await world.api("POST", f"/bulk-jobs/{fast}/retry", json={"maxTokens": 50})).status_code == 202
    for _ in range(4):
        assert await world.tick() == 200
        world.pass_time(minutes=10)

    after = await folded(world)
    first, instant, batch = before.groups[INSTANT], after.groups[INSTANT], after.groups[BATCH]
    parts = await world.parts(fast)
    assert (first.completed, first.failed) == (2, 1)
    assert (instant.completed, instant.failed, instant.tokens) == (3, 1, 15)
    await assert_history_adds_up(world)
    assert close(instant.cost_usd, sum(part["costUsd"] for part in parts))
    assert (batch.completed, batch.failed, batch.tokens) == (2, 1, 2)
    assert all("isUncounted" not in part and "uncountedDays" not in part for part in parts)


async def test_what_was_counted_is_not_counted_again_by_two_ticks_at_once(world: World) -> None:
    """Folds side by side, and once more: each page is committed once."""
    await world.give("alice", 30)
    for number in range(3):
        await world.submit("alice", f"job-{number}")
        await world.submit("alice", f"fast-{number}", speed="instant")
    await world.finish()
    world.pass_time(minutes=5)
    runtimes = [world.operators_runtime() for _ in range(3)]

    await asyncio.gather(*(fold.fold(runtime, runtime.time_limit(60)) for runtime in runtimes))
    day = await folded(world)
    state = await history.read_state(runtimes[0])

    assert (day.total.completed, day.groups[INSTANT].completed) == (6, 3)
    assert state.all_time == day.total.without_waits()
    assert state.folded_until
    await assert_promises_kept(world)


async def test_the_audit_names_a_day_that_says_more_or_less_than_its_documents(world: World) -> None:
    """It adds each day up again; jobs in real time may have been deleted since, batches have not."""
    await world.give("alice", 10)
    await world.submit("alice")
    await world.submit("alice", speed="instant")
    await world.finish()
    await folded(world)
    await assert_history_adds_up(world)
    day = f"metrics_days/{world.now().date()}"
    fields = await world.read(day)

    async def found(mode: str, change: int) -> list[str]:
        groups = [{**one, "completed": one["completed"] + change * (one["mode"] == mode)} for one in fields["groups"]]
        await world.firestore.document(day).update({"groups": groups})
        scope = Scope(runtime=world.operators_runtime())
        return [finding.subject async for finding in audit_history.findings(scope)]

    assert await found("batch", 0) == []
    assert await found("batch", 1) == [day]
    assert await found("batch", -1) == [day]
    assert await found("instant", -1) == [day]
    assert await found("instant", 1) == []


async def test_each_thousand_dollars_saved_is_a_milestone_with_its_day(world: World) -> None:
    """One page may reach several; what was reached stays reached."""
    cost: dict[str, Any] = {"costUsd": 2500.0, "realtimeCostUsd": 5000.0}
    await world.give("alice", 2)
    await world.submit("alice")
    await world.finish()
    (batch,) = await world.batches()
    await world.firestore.document(f"ai_batches/{batch['id']}").update(cost)

    await folded(world)
    state = await history.read_state(world.operators_runtime())

    assert state.milestones == (f"{world.now().date()}",) * 2
    assert state.all_time.saved_usd == 2500


async def test_what_ended_lately_is_one_entry_for_some_minutes(world: World) -> None:
    """However many pages there were, the state stays small, and no end is left out of the rate."""
    await world.give("alice", 30)
    runtime, told = world.operators_runtime(), list[list[int]]()
    await fold.fold(runtime, runtime.time_limit(60))
    for minutes in (3, 3, 11):
        await world.submit("alice", speed="instant")
        world.pass_time(minutes=minutes)
        state = await fold.fold(runtime, runtime.time_limit(60))
        told.append([entry["completed"] for entry in state.recent_at(world.now())])

    assert told == [[1], [2], [2, 1]]
