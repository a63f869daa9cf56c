"""What one user may have, and what the project spends in a day: refused or put off, and never charged for nothing."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from google.cloud.firestore import DELETE_FIELD
from structlog.testing import capture_logs

from cli.audit.audit import audit
from cli.audit.scope import Scope
from local.openai_server import BatchFault, Reply, ReplyRule
from nightshift.admission.admit import admit
from nightshift.ledger.limits import Admissions, UserLimits
from nightshift.runtime import Runtime
from nightshift.tick.tick import tick
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import FAULTS
from tests.support.promises import assert_promises_kept
from tests.support.world import World

COUNT = "firestore.RunAggregationQuery"
# One over the batches, one over bulk jobs in real time, one over jobs in real time.
SUMS = 3
# One user alone may use the budget up; tests/batches/test_budget_shares.py is about the others.
ALL = {"max_user_budget_share": 1}


@pytest.fixture(autouse=True)
def _seam() -> Iterator[None]:
    with seam():
        yield


async def _written(world: World, number: int, uid: str = "alice", **fields: Any) -> list[str]:
    return [await world.write(uid, f"{uid}-{index:03}", **fields) for index in range(number)]


async def _admit_all(runtime: Runtime, job_ids: list[str]) -> None:
    await asyncio.gather(*(admit(runtime, job_id) for job_id in job_ids))


async def _codes(world: World) -> dict[str, str]:
    """The codes of the jobs that failed."""
    return {job_id: job["errorCode"] for job_id, job in (await world.jobs("failed")).items()}


# One user


async def test_a_user_has_so_many_jobs_a_day(world: World) -> None:
    """The fourth is refused, for nothing and with a word; when the day is over, it is taken."""
    world.set_env(NIGHTSHIFT_MAX_JOBS_PER_DAY="3")
    await world.give("alice", 10)
    job_ids = [await world.submit("alice", f"job-{number}") for number in range(4)]
    await world.submit("bob")
    await world.finish()

    refused = await world.job(job_ids[3])
    assert (refused["errorCode"], refused["tokensSpent"]) == ("daily_limit", 0)
    assert refused["errorMessage"] == "You have reached today's limit of 3 requests. Try again after midnight UTC."
    notification = await world.read(f"notifications/{job_ids[3]}")
    assert notification["message"] == f"{refused['errorMessage']} Nothing was charged."
    assert (await world.read("wallets/alice"))["balance"] == 7
    world.pass_time(days=1)
    tomorrow = await world.submit("alice")
    await world.finish()
    assert (await world.job(tomorrow))["status"] == "completed"
    await assert_promises_kept(world)


async def test_a_user_has_so_many_jobs_in_flight(world: World) -> None:
    """What is under way at the provider counts; once an answer is there, its place is free."""
    world.set_env(NIGHTSHIFT_MAX_JOBS_IN_FLIGHT="2")
    await world.give("alice", 10)
    world.provider.hold("in_progress")
    for number in range(2):
        await world.submit("alice", f"job-{number}")
    refused = await world.job(await world.submit("alice"))
    assert refused["errorCode"] == "too_many_jobs"
    assert refused["errorMessage"] == "As many of your requests as may wait (2) do. Try again when some are answered."
    world.provider.release()
    await world.finish()

    again = await world.submit("alice")
    await world.finish()
    assert (await world.job(again))["status"] == "completed"
    assert (await world.read("wallets/alice"))["balance"] == 7
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    ("limit", "code"), [("max_jobs_per_day", "daily_limit"), ("max_jobs_in_flight", "too_many_jobs")]
)
async def test_of_a_group_those_are_taken_that_came_first(world: World, limit: str, code: str) -> None:
    """The limit falls into the middle of a group; a job of it that cannot be paid takes no other job's place."""
    await world.give("alice", 12)
    job_ids = await _written(world, 3)
    job_ids += [
        await world.write("alice", "dear", speed="instant"),
        await world.write("alice", "dear-too", speed="instant"),
    ]
    job_ids += [await world.write("alice", f"late-{number}") for number in range(3)]

    await _admit_all(world.operators_runtime(**{limit: 5}), job_ids)

    assert await _codes(world) == {"dear-too": "insufficient_tokens", "late-1": code, "late-2": code}
    assert (await world.read("wallets/alice"))["balance"] == 3
    # The instant job was admitted by an instance that answers nothing here.
    world.pass_time(minutes=3)
    await world.finish()
    await assert_promises_kept(world)


async def test_instances_that_meet_never_admit_more_than_the_limits(world: World) -> None:
    """Four instances at one wallet, and some jobs at two of them: no more are taken than there are places."""
    await world.give("alice", 100)
    job_ids = await _written(world, 40)
    runtimes = [world.operators_runtime(max_jobs_per_day=30, max_jobs_in_flight=20) for _ in range(4)]

    await asyncio.gather(*(_admit_all(runtime, job_ids[8 * at : 8 * at + 16]) for at, runtime in enumerate(runtimes)))

    assert len(await world.jobs("queued")) == 20
    assert list((await _codes(world)).values()) == ["too_many_jobs"] * 20
    await world.finish()
    job_ids = [await world.write("alice") for _ in range(20)]
    await asyncio.gather(*(_admit_all(runtime, job_ids[5 * at : 5 * at + 10]) for at, runtime in enumerate(runtimes)))
    assert len(await world.jobs("queued")) == 10
    assert list((await _codes(world)).values()).count("daily_limit") == 10
    assert (await world.read("wallets/alice"))["admissions"]["onDay"] == 30


async def test_the_jobs_are_counted_only_where_the_limit_is_near(world: World) -> None:
    """Below the bound nothing is asked; at it one count serves a group, and the bound goes on from what was counted."""
    await world.give("alice", 100)
    runtime = world.operators_runtime(max_jobs_in_flight=10)

    async def counts(job_ids: list[str]) -> int:
        traffic = Traffic()
        await traffic.invoke(lambda: _admit_all(runtime, job_ids))
        return sum(call.name == COUNT for call in traffic.calls)

    assert await counts(await _written(world, 9)) == 0
    await world.finish()
    assert (await world.read("wallets/alice"))["admissions"]["inFlightAtMost"] == 9
    assert await counts([await world.write("alice") for _ in range(2)]) == 1
    assert (await world.read("wallets/alice"))["admissions"]["inFlightAtMost"] == 2
    assert await counts([await world.write("alice") for _ in range(8)]) == 0
    assert not await _codes(world)


async def test_who_can_have_no_job_anyway_is_not_counted(world: World) -> None:
    """A refusal for lack of tokens, or of a day's places, rests on the wallet alone."""
    await world.give("alice", 2)
    await world.give("bob", 9)
    runtime = world.operators_runtime(max_jobs_per_day=2, max_jobs_in_flight=2)
    await _admit_all(runtime, [await world.write(uid) for uid in ("alice", "alice", "bob", "bob")])
    traffic = Traffic()

    for uid in ("alice", "bob"):
        await traffic.invoke(partial(_admit_one, world, runtime, uid))

    assert sorted((await _codes(world)).values()) == ["daily_limit", "insufficient_tokens"]
    assert not [call for call in traffic.calls if call.name == COUNT]


async def _admit_one(world: World, runtime: Runtime, uid: str) -> None:
    await admit(runtime, await world.write(uid))


async def test_limits_of_zero_are_none(world: World) -> None:
    """Then everything is taken that can be paid, and what is kept goes on for the day on which they are set."""
    await world.give("alice", 30)
    runtime = world.operators_runtime(max_jobs_per_day=0, max_jobs_in_flight=0)

    await _admit_all(runtime, await _written(world, 30))

    assert len(await world.jobs("queued")) == 30
    kept = (await world.read("wallets/alice"))["admissions"]
    assert kept == {"day": runtime.today, "onDay": 30, "inFlightAtMost": 30}


async def test_a_retry_keeps_its_place_and_takes_no_other(world: World) -> None:
    """A job that waits for its second attempt is in flight, on whatever day, and was admitted once."""
    world.set_env(NIGHTSHIFT_MAX_JOBS_IN_FLIGHT="1", NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.faults.add(ReplyRule(reply=Reply.http_error(500), times=1))
    await world.give("alice", 9)
    job_id = await world.submit("alice")
    world.provider.hold("in_progress")
    await world.provider.settled()
    for _ in range(2):
        await world.tick()
    world.pass_time(days=2)
    refused = await world.submit("alice")

    assert (await world.job(job_id))["status"] in {"queued", "processing"}
    assert await _codes(world) == {refused: "too_many_jobs"}
    assert (await world.read("wallets/alice"))["admissions"]["onDay"] == 1
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def test_a_wallet_that_kept_no_admissions_yet_is_bounded_by_what_was_spent(world: World) -> None:
    """What was in flight before there were limits is found by the first count."""
    await world.give("alice", 9)
    await _admit_all(world.operators_runtime(), await _written(world, 3))
    await world.firestore.document("wallets/alice").update({"admissions": DELETE_FIELD})

    await _admit_one(world, world.operators_runtime(max_jobs_in_flight=3), "alice")

    assert list((await _codes(world)).values()) == ["too_many_jobs"]


async def test_refunds_and_repairs_leave_the_admissions_alone(world: World) -> None:
    """A refund gives tokens back, and no place of the day; the audit sets a balance right, and nothing else."""
    world.set_env(NIGHTSHIFT_MAX_JOBS_PER_DAY="2")
    world.provider.faults.add(ReplyRule(reply=Reply.refuses("No.")))
    await world.give("alice", 9)
    for _ in range(2):
        await world.submit("alice")
    await world.finish()
    await world.firestore.document("wallets/alice").update({"balance": 1})
    runtime = world.operators_runtime(openai_api_key=None)
    mended = [await finding.mend() async for finding in audit(Scope(runtime=runtime)) if finding.mend]

    assert mended == ["Its balance was set to 8, as its ledger has it."]
    assert (await world.read("wallets/alice"))["admissions"]["onDay"] == 2
    refused = await world.submit("alice")
    assert (await world.job(refused))["errorCode"] == "daily_limit"
    await assert_promises_kept(world)


@pytest.mark.parametrize("fault", ["lost", "lost-timeout", "late-2", "aborted", "unavailable"])
@pytest.mark.parametrize(("name", "which"), [("firestore.Commit", 0), ("firestore.Commit", 1), (COUNT, -1)])
async def test_whatever_becomes_of_a_call_the_limit_holds(world: World, fault: str, name: str, which: int) -> None:
    """The answer to a count or a commit is lost or late: three jobs are admitted, and each is charged once."""
    limited = {"max_jobs_in_flight": 3}
    undisturbed = Traffic()
    await world.give("bob", 8)
    bobs = await _written(world, 8, "bob")
    await undisturbed.invoke(lambda: _admit_all(world.operators_runtime(**limited), bobs))
    number = [call.number for call in undisturbed.calls if call.name == name][which]
    traffic = Traffic(Strike(FAULTS[fault], number))
    await world.give("alice", 8)
    job_ids = await _written(world, 8)

    await traffic.invoke(lambda: _admit_all(world.operators_runtime(**limited), job_ids))
    await traffic.land()

    assert traffic.struck
    assert [job_id for job_id in await world.jobs("queued") if job_id in job_ids] == job_ids[:3]
    assert (await world.read("wallets/alice"))["balance"] == 5
    await world.finish()
    await assert_promises_kept(world)


def test_a_clock_that_is_behind_begins_no_day_anew() -> None:
    """Around midnight two instances may not agree on the day; the later one counts, for both."""
    limits = UserLimits(per_day=5, in_flight=0)
    kept = Admissions(day="2025-06-20", on_day=5, in_flight_at_most=5).fields()

    assert Admissions.read(kept, "2025-06-19").is_day_over(limits)
    assert Admissions.read(kept, "2025-06-20").is_day_over(limits)
    assert not Admissions.read(kept, "2025-06-21").is_day_over(limits)


# The project


async def _estimate_usd(world: World) -> float:
    """What one job is estimated to cost, by a batch that is answered and closed."""
    world.provider.hold("in_progress")
    await world.give("carol", 1)
    await admit(world.operators_runtime(), await world.write("carol"))
    await tick(world.operators_runtime())
    estimate: float = (await world.batches())[0]["budgetUsd"]
    world.provider.release()
    await world.finish()
    return estimate


async def _queued(world: World, number: int) -> None:
    await world.give("alice", number)
    await _admit_all(world.operators_runtime(), await _written(world, number))


async def _tick(runtime: Runtime) -> list[dict[str, Any]]:
    """A tick; the events of it that tell of the budget."""
    with capture_logs() as events:
        await tick(runtime)
    return [dict(event) for event in events if event["event"] in {"budget_spent", "price_unknown"}]


@pytest.mark.parametrize("page", [2, 200])
async def test_a_batch_is_filled_as_far_as_the_budget_reaches(world: World, page: int) -> None:
    """Of five jobs three are sent, by however many claims; two wait until the next day, and are not charged again."""
    world.bound(page_jobs=page)
    estimate = await _estimate_usd(world)
    spent = (await world.batches())[0]["budgetUsd"]
    runtime = world.operators_runtime(daily_budget_usd=spent + 3.5 * estimate, **ALL)
    await _queued(world, 5)
    world.provider.hold("in_progress")

    events = await _tick(runtime)

    assert [batch["jobCount"] for batch in await world.batches()] == [1, 3]
    assert [event["event"] for event in events] == ["budget_spent"]
    assert events[0]["log_level"] == "error"
    assert events[0]["spent_usd"] == pytest.approx(spent + 3 * estimate)
    assert events[0]["budget_usd"] == spent + 3.5 * estimate
    assert await _tick(runtime) == events, "each tick says so once"
    assert sorted(await world.jobs("queued")) == ["alice-003", "alice-004"]
    assert (await world.read("wallets/alice"))["balance"] == 0
    world.pass_time(days=1)
    assert not await _tick(runtime)
    assert [batch["jobCount"] for batch in await world.batches()] == [1, 3, 2]
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def test_while_the_budget_is_spent_no_page_of_jobs_is_read(world: World) -> None:
    """Two sums say it, and triggers leave the rest of the day to the tick; raising the budget lets them go."""
    await _estimate_usd(world)
    await _queued(world, 3)
    runtime = world.operators_runtime(daily_budget_usd=1e-9)
    traffic = Traffic()

    events = await traffic.invoke(lambda: _tick(runtime))

    assert events
    assert [event["event"] for event in events] == ["budget_spent"]
    # What is spent, and how many wait.
    assert sum(call.name == COUNT for call in traffic.calls) == SUMS + 1
    assert len(await world.batches()) == 1
    assert not await _tick(world.operators_runtime(daily_budget_usd=1))
    assert [batch["jobCount"] for batch in await world.batches()] == [1, 3]
    await world.finish()
    await assert_promises_kept(world)


async def test_triggers_leave_a_spent_budget_to_the_tick(world: World) -> None:
    """Only an instance's first trigger asks what is spent; each job is admitted all the same, and goes the next day."""
    await _estimate_usd(world)
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="0.000000001", NIGHTSHIFT_COALESCE_SECONDS="1")
    world.pass_time(seconds=2)
    await world.give("alice", 9)
    traffic = Traffic()
    for _ in range(4):
        assert await traffic.invoke(partial(world.trigger, await world.write("alice"))) == 200
        world.pass_time(seconds=5)

    assert sum(call.name == COUNT for call in traffic.calls) == SUMS
    assert len(await world.jobs("queued")) == 4
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="1")
    world.pass_time(days=1)
    await world.submit("alice")
    await world.finish()
    assert [batch["jobCount"] for batch in await world.batches()] == [1, 5]
    await assert_promises_kept(world)


async def test_what_a_batch_cost_takes_the_place_of_its_estimate(world: World) -> None:
    """An answer that was shorter than expected leaves the rest of its estimate to others, on the day of its batch."""
    estimate = await _estimate_usd(world)
    (batch,) = await world.batches()

    assert 0 < batch["budgetUsd"] == batch["costUsd"] < estimate
    assert batch["budgetDay"] == world.operators_runtime().today
    budget = batch["costUsd"] + 1.5 * estimate
    world.provider.hold("in_progress")
    await _queued(world, 2)
    await _tick(world.operators_runtime(daily_budget_usd=budget))
    assert len(await world.jobs("queued")) == 1
    world.provider.release()
    await world.provider.settled()
    await _tick(world.operators_runtime(daily_budget_usd=budget))
    assert not await world.jobs("queued")


async def test_a_batch_that_the_provider_failed_frees_its_share(world: World) -> None:
    """Nothing was consumed, so its jobs are sent again on the same day."""
    estimate = await _estimate_usd(world)
    spent = (await world.batches())[0]["budgetUsd"]
    runtime = world.operators_runtime(daily_budget_usd=spent + 1.5 * estimate)
    world.provider.faults.add(BatchFault(fail_code="invalid_json_line"))
    await _queued(world, 1)

    for _ in range(4):
        await world.provider.settled()
        assert not await _tick(runtime)

    batches = await world.batches()
    assert [batch["status"] for batch in batches] == ["completed", "failed", "completed"]
    assert batches[1]["budgetUsd"] == 0
    await assert_promises_kept(world)


async def test_a_budget_is_shared_by_all_lanes(world: World) -> None:
    """What one model's batch takes is missing for the other's; one event tells of both."""
    estimate = await _estimate_usd(world)
    world.provider.hold("in_progress")
    await _queued(world, 5)
    await world.give("bob", 1)
    await admit(world.operators_runtime(model="gpt-5"), await world.write("bob"))

    # The other model's price is five times as high: alone on a day, its job could be sent.
    budget = 5.05 * estimate
    events = await _tick(world.operators_runtime(daily_budget_usd=budget, **ALL))

    assert [event["lanes"] for event in events] == [2]
    assert len(await world.jobs("queued")) > 1
    assert sum(batch["budgetUsd"] for batch in await world.batches()) <= budget


async def test_a_model_without_a_listed_price_is_logged_once(world: World) -> None:
    """No budget can hold for it: its jobs go, and an error says so once in an instance."""
    runtime = world.operators_runtime(daily_budget_usd=0.000001, model="our-own-model")
    await world.give("alice", 2)
    told = []
    for _ in range(2):
        await admit(runtime, await world.write("alice"))
        told += await _tick(runtime)

    assert [event["event"] for event in told] == ["price_unknown"]
    assert [batch["budgetUsd"] for batch in await world.batches()] == [0, 0]


async def test_without_a_budget_nothing_is_summed(world: World) -> None:
    """The default costs no read; what is spent is on record for the day on which a budget is set."""
    # The first tick counts all jobs for the statistics.
    await tick(world.operators_runtime())
    await _queued(world, 2)
    traffic = Traffic()

    await traffic.invoke(lambda: tick(world.operators_runtime()))

    # How many are left in the queue is counted, and nothing else.
    assert len([call for call in traffic.calls if call.name == COUNT]) == 1
    assert (await world.batches())[0]["budgetUsd"] > 0
