"""No user takes more than a share of the day's budget, and one job more: the rest of it is for others."""

from collections.abc import Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from local.openai_server import BatchFault, Reply, ReplyRule
from nightshift.admission.admit import admit
from nightshift.batches.queue import MOST_LEFT_OUT
from nightshift.job_types.base import MAX_TEXT_CHARACTERS
from nightshift.pricing.shares import taken_usd
from nightshift.runtime import Runtime
from nightshift.tick.tick import tick
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def _price(world: World) -> tuple[float, float]:
    """What one job is estimated to cost, and what that one did cost; it counts in the day's budget."""
    world.provider.hold("in_progress")
    await world.give("carol", 1)
    await admit(world.operators_runtime(), await world.write("carol"))
    await tick(world.operators_runtime())
    estimate: float = (await world.batches())[0]["budgetUsd"]
    world.provider.release()
    await world.finish()
    return estimate, (await world.batches())[0]["budgetUsd"]


async def _queue(world: World, uid: str, numbers: Iterable[int], **fields: Any) -> None:
    for index in numbers:
        await admit(world.operators_runtime(), await world.write(uid, f"{uid}-{index:02}", **fields))


async def _tick(runtime: Runtime) -> list[dict[str, Any]]:
    with capture_logs() as events:
        await tick(runtime)
    return [dict(event) for event in events if event["event"] in {"share_spent", "budget_spent"}]


async def _sent(world: World) -> list[str]:
    """The jobs that were ever claimed."""
    every = {**await world.jobs("processing"), **await world.jobs("completed")}
    return sorted(job_id for job_id, job in every.items() if job["userId"] != "carol")


@pytest.mark.parametrize("page", [2, 200])
async def test_a_user_who_comes_first_takes_a_share_and_others_go_the_same_day(world: World, page: int) -> None:
    """Alone or not, over several batches: mallory's rest waits for the next day, and bob, who comes later, does not."""
    world.bound(page_jobs=page)
    estimate, _ = await _price(world)
    # A share is three jobs and a half.
    runtime = world.operators_runtime(daily_budget_usd=14 * estimate)
    world.provider.hold("in_progress")
    await world.give("mallory", 9)
    await _queue(world, "mallory", range(3), priority=10)
    assert await _tick(runtime) == []
    await _queue(world, "mallory", range(3, 9), priority=10)

    (told,) = await _tick(runtime)

    assert await _sent(world) == ["mallory-00", "mallory-01", "mallory-02", "mallory-03"]
    assert (told["event"], told["log_level"], told["job_id"]) == ("share_spent", "warning", "mallory-04")
    assert (told["taken_usd"], told["share_usd"]) == (pytest.approx(4 * estimate), 3.5 * estimate)
    assert await taken_usd(runtime, "mallory") == pytest.approx(4 * estimate)
    await world.give("bob", 2)
    await _queue(world, "bob", range(2), priority=1)
    fresh = world.operators_runtime(daily_budget_usd=14 * estimate)
    assert [event["event"] for event in await _tick(fresh)] == ["share_spent"]
    assert await _tick(fresh) == [], "told once"
    assert [job_id for job_id in await _sent(world) if job_id.startswith("bob")] == ["bob-00", "bob-01"]
    assert len(await world.jobs("queued")) == 5

    world.pass_time(days=1)
    assert [event["event"] for event in await _tick(fresh)] == ["share_spent"]
    assert len(await world.jobs("queued")) == 1
    world.pass_time(days=1)
    assert await _tick(fresh) == []
    world.provider.release()
    await world.finish()
    assert len(await world.jobs("completed")) == 12
    await assert_promises_kept(world)


async def test_a_user_alone_uses_the_whole_budget_where_the_operator_allows_it(world: World) -> None:
    """With a share of 1 nothing is counted by user, and nothing is held."""
    estimate, spent = await _price(world)
    runtime = world.operators_runtime(daily_budget_usd=spent + 6.5 * estimate, max_user_budget_share=1)
    world.provider.hold("in_progress")
    await world.give("alice", 6)
    await _queue(world, "alice", range(6))

    assert await _tick(runtime) == []

    assert len(await _sent(world)) == 6
    assert all("shareDay" not in job for job in (await world.jobs("processing")).values())


async def test_one_job_that_is_dearer_than_a_share_is_sent(world: World) -> None:
    """The first job of a day goes, whatever it costs; so none waits for ever."""
    estimate, spent = await _price(world)
    runtime = world.operators_runtime(daily_budget_usd=spent + 1.5 * estimate, max_user_budget_share=0.1)
    await world.give("alice", 2)
    await _queue(world, "alice", range(2))

    await _tick(runtime)

    assert await _sent(world) == ["alice-00"]


async def test_a_job_that_is_dearer_than_a_whole_day_holds_no_other_user_up(world: World) -> None:
    """It can never be sent: it fails, its tokens come back, and the jobs behind it go."""
    estimate, spent = await _price(world)
    runtime = world.operators_runtime(daily_budget_usd=spent + 1.5 * estimate, max_user_budget_share=1)
    world.provider.hold("in_progress")
    for uid in ("mallory", "bob"):
        await world.give(uid, 1)
    await _queue(world, "mallory", range(1), input={"text": "\u5783" * MAX_TEXT_CHARACTERS}, priority=10)
    await _queue(world, "bob", range(1))

    assert await _tick(runtime) == []

    assert await _sent(world) == ["bob-00"]
    assert (await world.job("mallory-00"))["errorCode"] == "invalid_input"
    assert (await world.read("wallets/mallory"))["balance"] == 1


async def test_from_its_end_on_a_job_counts_what_it_cost(world: World) -> None:
    """A batch that the provider failed gives the share back; an answer, also a bad one, replaces its estimate."""
    estimate, carols = await _price(world)
    runtime = world.operators_runtime(daily_budget_usd=100 * estimate)
    world.provider.faults.add(BatchFault(fail_code="invalid_json_line"))
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), custom_id="job-alice-01", times=1))
    await world.give("alice", 2)
    await _queue(world, "alice", range(2))
    await _tick(runtime)
    assert await taken_usd(runtime, "alice") == pytest.approx(2 * estimate)
    for _ in range(6):
        await world.provider.settled()
        await _tick(runtime)

    jobs = await world.jobs("completed")
    assert jobs["alice-01"]["shareUsd"] > jobs["alice-00"]["shareUsd"] == jobs["alice-00"]["costUsd"] > 0
    of_batches = sum(batch["budgetUsd"] for batch in await world.batches()) - carols
    assert await taken_usd(runtime, "alice") == pytest.approx(of_batches)
    await assert_promises_kept(world)


async def test_answers_in_real_time_count_and_wait_for_the_next_day(world: World) -> None:
    """An instant job of a user whose share is spent says what it waits for; another user's is answered."""
    world.bound(longest_pause_seconds=0)
    await world.give("mallory", 20)
    await world.give("bob", 5)
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="1")
    first = await world.job(await world.submit("mallory", speed="instant"))
    assert first["shareUsd"] == first["costUsd"] > 0
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD=str(first["costUsd"] * 6))

    jobs = [await world.job(await world.submit("mallory", f"now-{number}", speed="instant")) for number in range(2)]
    queued = await world.submit("mallory", "batch")
    bobs = await world.job(await world.submit("bob", speed="instant"))

    assert [(job["status"], job.get("waitsFor")) for job in jobs] == [("completed", None), ("processing", "share")]
    assert bobs["status"] == "completed"
    assert (await world.job(queued))["status"] == "queued"
    assert await world.tick() == 200
    assert (await world.job(queued))["status"] == "queued"
    world.pass_time(hours=24)
    assert await world.tick() == 200
    await world.finish()
    assert (await world.job(queued))["status"] == "completed"


async def test_more_users_than_a_query_leaves_out_hold_no_other_user_up(world: World) -> None:
    """Twelve have taken theirs, by what earlier lines cost; their jobs are passed over, ten users' without a read."""
    world.bound(page_jobs=3)
    estimate, _ = await _price(world)
    users = [f"mallory{number:02}" for number in range(MOST_LEFT_OUT + 2)]
    runtime = world.operators_runtime(daily_budget_usd=40 * estimate, max_user_budget_share=0.1)
    for uid in users:
        await world.give(uid, 2)
        await _queue(world, uid, range(2), priority=10)
        counted = {"userId": uid, "status": "completed", "shareDay": runtime.today, "shareUsd": 5 * estimate}
        await world.firestore.document(f"ai_jobs/former-{uid}").set(counted)
    await world.give("alice", 1)
    await _queue(world, "alice", range(1), priority=1)
    # As much as a share is spent by all together, so that sums are looked at.
    await world.firestore.document("ai_batches/ns-former").set(
        {"status": "completed", "budgetDay": runtime.today, "budgetUsd": 5 * estimate}
    )
    world.provider.hold("in_progress")

    told = await _tick(runtime)

    assert [job_id for job_id in await _sent(world) if not job_id.startswith("former")] == ["alice-00"]
    assert len([event for event in told if event["event"] == "share_spent"]) == len(users)
    assert await _tick(runtime) == [], "told once, and nothing else is sent"
    assert len(await world.jobs("queued")) == 2 * len(users)
