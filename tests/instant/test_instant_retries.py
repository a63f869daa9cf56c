"""Instant jobs while the provider has trouble: what passes is tried for six hours, and the user sees `processing`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from local.openai_server import Reply, ReplyRule, RequestFault
from nightshift.instant.realtime import WaitsFor, wait_seconds
from tests.instant.test_instant import CHAT, asked
from tests.support.events import logged, of
from tests.support.promises import assert_promises_kept
from tests.support.world import World

LIMITED = "rate_limit"


# The schedule


@pytest.mark.parametrize(
    ("waits_for", "waits"),
    [("rate_limit", [1, 2, 4, 8, 16, 32, 60, 60]), ("provider", [2, 4, 8, 16, 32, 64, 120, 120])],
)
def test_waits_grow_to_a_bound(waits_for: WaitsFor, waits: list[float]) -> None:
    """By the attempts, from the first to any."""
    assert [wait_seconds(waits_for, attempts, None, 0.5) for attempts in range(1, 9)] == waits
    assert wait_seconds(waits_for, 100_000, None, 0.5) == waits[-1]


def test_waits_vary_by_a_quarter() -> None:
    """So that what failed together does not come again together."""
    assert [wait_seconds("rate_limit", 4, None, jitter) for jitter in (0, 0.5, 1)] == [6, 8, 10]


def test_what_the_provider_asks_for_wins_up_to_a_bound() -> None:
    """It is never shortened, but for the bound."""
    assert [wait_seconds("provider", 9, 3, jitter) for jitter in (0, 1)] == [3, 3.75]
    assert wait_seconds("rate_limit", 1, 40, 0) == 40
    assert wait_seconds("rate_limit", 1, 86_400, 0) == 900


# In the function


async def test_short_waits_are_spent_in_the_function(world: World) -> None:
    """Three times too often, and then an answer: one event, and no write that a good day would not need."""
    soon = {"retry-after-ms": "5"}
    world.provider.faults.add(RequestFault("POST", CHAT, status=429, headers=soon, times=3))
    await world.give("alice", 5)

    with logged() as events:
        job = await world.job(await world.submit("alice", speed="instant"))

    assert (job["status"], job["attempts"]) == ("completed", 4)
    delays = of(events, "answer_delayed")
    assert [(delay["attempt"], delay["waits_for"], delay["is_stored"]) for delay in delays] == [
        (1, LIMITED, False),
        (2, LIMITED, False),
        (3, LIMITED, False),
    ]
    await assert_promises_kept(world)


async def test_the_first_waits_are_those_of_the_schedule(world: World) -> None:
    """Without a word of the provider's: a second after a 429, two after any other trouble, a quarter more or less."""
    world.provider.faults.add(RequestFault("POST", CHAT, status=429), RequestFault("POST", CHAT, status=500))
    await world.give("alice", 5)

    with logged() as events:
        job = await world.job(await world.submit("alice", speed="instant"))

    assert (job["status"], job["attempts"]) == ("completed", 3)
    first, second = of(events, "answer_delayed")
    assert 0.7 <= first["seconds"] <= 1.3
    assert 3 <= second["seconds"] <= 5
    assert (first["waits_for"], second["waits_for"]) == (LIMITED, "provider")
    await assert_promises_kept(world)


# Put off


async def _put_off(world: World, *faults: Any, seconds: float = 600) -> dict[str, Any]:
    """An instant job of alice's that meets these faults and is put off; returns it as it waits."""
    world.provider.faults.add(*faults)
    await world.give("alice", 5)
    job = await world.job(await world.submit("alice", "waiting", speed="instant"))
    assert job["status"] == "processing"
    assert job["nextAttemptAt"] <= world.now() + timedelta(seconds=seconds)
    return job


async def test_a_long_wait_is_stored_and_taken_up_when_it_is_over(world: World) -> None:
    """The function is free at once; a redelivery has nothing to do, and a sweep leaves the job until it is due."""
    begun_at = world.now()
    job = await _put_off(world, RequestFault("POST", CHAT, status=429, headers={"Retry-After": "300"}), seconds=400)
    assert (job["waitsFor"], job["attempts"]) == (LIMITED, 1)
    assert job["nextAttemptAt"] >= begun_at + timedelta(seconds=300)

    assert await world.trigger("waiting") == 200
    assert await world.sweep() == 200
    assert asked(world) == 1
    assert await world.job("waiting") == job
    world.pass_time(seconds=400)
    with logged() as events:
        assert await world.sweep() == 200

    job = await world.job("waiting")
    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert not {"waitsFor", "nextAttemptAt"} & job.keys()
    assert not of(events, "answer_repeated"), "nothing was lost"
    await assert_promises_kept(world)


def _in_a_minute(world: World) -> str:
    return format_datetime(world.now().astimezone(UTC) + timedelta(seconds=60), usegmt=True)


@pytest.mark.parametrize(
    ("header", "told", "seconds"),
    [
        ("Retry-After", "45", 45),
        ("Retry-After", "date", 60),
        ("retry-after-ms", "20500", 20.5),
        ("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Retry-After", "86400", 900),
        ("Retry-After", "soon", None),
        ("Retry-After", "-1", None),
        ("Retry-After", "inf", None),
    ],
)
async def test_retry_after_wins_in_each_of_its_forms(
    world: World, header: str, told: str, seconds: float | None
) -> None:
    """Seconds, a date, or OpenAI's milliseconds. A time in the past is no wait; an unreadable one changes nothing."""
    begun_at = world.now()
    told = _in_a_minute(world) if told == "date" else told
    world.provider.faults.add(RequestFault("POST", CHAT, status=503, headers={header: told}))
    await world.give("alice", 5)

    with logged() as events:
        await world.submit("alice", speed="instant")

    (delay,) = of(events, "answer_delayed")
    if seconds is None:
        assert delay["seconds"] <= 2.5
    else:
        # A date has no fraction of a second, and comes nearer while the function works.
        passed_seconds = (world.now() - begun_at).total_seconds() if " " in told else 0
        assert seconds - passed_seconds - 1 <= delay["seconds"] <= seconds * 1.25 + 1
        assert delay["is_stored"]


PASSING = {
    "500": RequestFault("POST", CHAT, status=500),
    "503": RequestFault("POST", CHAT, status=503),
    "408": RequestFault("POST", CHAT, status=408),
    "409": RequestFault("POST", CHAT, status=409),
    "a wrong key": RequestFault("POST", CHAT, status=401),
    "no credit": RequestFault(
        "POST", CHAT, status=429, body={"error": {"message": "x", "type": "x", "code": "insufficient_quota"}}
    ),
    "a reset before": RequestFault("POST", CHAT, reset=True),
    "a reset after": RequestFault("POST", CHAT, reset=True, when="after"),
    "a cut answer": RequestFault("POST", CHAT, truncate_at=40),
    "half a JSON": RequestFault("POST", CHAT, truncate_at=40, clean=True),
    "no completion": RequestFault("POST", CHAT, status=200, body={"ok": True}),
}


@pytest.mark.parametrize("trouble", PASSING)
async def test_passing_trouble_is_the_users_to_see_in_no_way(world: World, trouble: str) -> None:
    """The job is `processing` until it is answered, and no notification is written in between."""
    world.bound(longest_pause_seconds=0)
    with logged() as events:
        job = await _put_off(world, PASSING[trouble])
    needs_operator = trouble in {"a wrong key", "no credit"}
    assert job["waitsFor"] == ("operator" if needs_operator else "provider")
    assert not await world.read("notifications/waiting")
    (delay,) = of(events, "answer_delayed")
    assert delay["log_level"] == ("error" if needs_operator else "warning")

    world.pass_time(seconds=10)
    assert await world.sweep() == 200

    assert (await world.job("waiting"))["status"] == "completed"
    assert (await world.read("wallets/alice"))["balance"] == 0
    await assert_promises_kept(world)


async def test_a_provider_that_never_answers_is_not_waited_for_longer_than_the_setting_says(world: World) -> None:
    """Then the job is put off, since no pause fits into the lease."""
    world.set_env(NIGHTSHIFT_LEASE_SECONDS="1", NIGHTSHIFT_ANSWER_SECONDS="0.5")
    job = await _put_off(world, RequestFault("POST", CHAT, status=None, delay_seconds=3))
    assert job["waitsFor"] == "provider"

    world.set_env(NIGHTSHIFT_LEASE_SECONDS="120", NIGHTSHIFT_ANSWER_SECONDS="60")
    world.pass_time(seconds=10)
    assert await world.sweep() == 200
    assert (await world.job("waiting"))["status"] == "completed"
    await assert_promises_kept(world)


async def test_after_six_hours_the_job_fails_and_costs_nothing(world: World) -> None:
    """It is asked for until then, ever more seldom; then the user has the tokens back, and a word."""
    world.bound(longest_pause_seconds=0)
    await _put_off(world, RequestFault("POST", CHAT, status=503, times=None))
    for minutes in (30, 60, 120, 145):
        world.pass_time(minutes=minutes)
        assert await world.sweep() == 200
        assert (await world.job("waiting"))["status"] == "processing"
    assert asked(world) == 5

    world.pass_time(minutes=10)
    assert await world.sweep() == 200

    job = await world.job("waiting")
    assert (job["status"], job["errorCode"], job["tokensSpent"]) == ("failed", "provider_rejected", 0)
    note = await world.read("notifications/waiting")
    assert note["message"] == "The AI service did not get to it in time. Your tokens were returned."
    assert (await world.read("wallets/alice"))["balance"] == 5
    assert asked(world) == 5
    await assert_promises_kept(world)


async def test_a_job_that_no_sweep_took_for_days_is_a_finding_and_ends_with_the_next_tick(world: World) -> None:
    """The audit knows when it should have ended, and until then has nothing to say."""
    from cli.audit.audit import audit
    from cli.audit.scope import Scope

    world.bound(longest_pause_seconds=0)
    await _put_off(world, RequestFault("POST", CHAT, status=503))

    async def findings() -> AsyncIterator[Any]:
        async for finding in audit(Scope(runtime=world.operators_runtime(openai_api_key=None))):
            yield finding

    world.pass_time(hours=6)
    assert not [finding async for finding in findings()]
    world.pass_time(hours=1)
    (found,) = [finding async for finding in findings()]
    assert found.subject == "ai_jobs/waiting"
    assert found.sentence.startswith("It should have failed for want of an answer since ")
    assert await found.mended() == "It is failed."
    assert (await world.read("wallets/alice"))["balance"] == 5
    await assert_promises_kept(world)


# Answers that are not valid


async def test_a_job_with_an_invalid_answer_is_asked_again_and_all_is_counted(world: World) -> None:
    """What the first answer cost belongs to the job's costs, and not to the user's."""
    world.provider.faults.add(ReplyRule(Reply(content="no JSON")))
    await world.give("alice", 5)

    job = await world.job(await world.submit("alice", speed="instant"))

    assert (job["status"], job["attempts"]) == ("completed", 2)
    once = await world.job(await _answered(world))
    assert job["costUsd"] > once["costUsd"]
    assert (await world.read("wallets/alice"))["balance"] == 0
    await assert_promises_kept(world)


async def _answered(world: World) -> str:
    await world.give("bob", 5)
    return await world.submit("bob", speed="instant")


async def test_a_job_whose_answers_are_never_valid_fails_after_its_attempts(world: World) -> None:
    """However long other trouble comes between, and whichever process asks: the third invalid answer is the last."""
    world.bound(longest_pause_seconds=0)
    none = ReplyRule(Reply(content="no JSON"))
    await _put_off(world, none)
    world.provider.faults.add(RequestFault("POST", CHAT, status=503))
    for _ in range(2):
        world.pass_time(minutes=5)
        world.set_env()
        assert await world.sweep() == 200
        assert (await world.job("waiting"))["status"] == "processing"
        world.provider.faults.add(none)
    world.pass_time(minutes=5)
    assert await world.sweep() == 200

    job = await world.job("waiting")
    assert (job["status"], job["errorCode"], job["attempts"]) == ("failed", "result_invalid", 4)
    assert job["costUsd"] > 0, "the provider was paid for three answers"
    assert job["tokensSpent"] == 0
    assert (await world.read("wallets/alice"))["balance"] == 5
    await assert_promises_kept(world)


# The budget


async def test_above_the_days_budget_a_job_waits_until_it_is_raised(world: World) -> None:
    """Answers in real time count against it; the next job is not asked for, and says why it waits."""
    world.bound(longest_pause_seconds=0)
    first = await _answered(world)
    spent = (await world.job(first))["costUsd"]
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD=str(spent))
    with logged() as events:
        job = await _put_off(world)
    assert (job["waitsFor"], asked(world)) == ("budget", 1)
    (told,) = of(events, "budget_spent")
    assert (told["spent_usd"], told["budget_usd"]) == (spent, spent)

    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="1")
    world.pass_time(minutes=3)
    assert await world.sweep() == 200
    assert (await world.job("waiting"))["status"] == "completed"
    await assert_promises_kept(world)


async def test_what_an_instance_spends_itself_counts_at_once(world: World) -> None:
    """Within the minute in which it does not ask the database again."""
    world.bound(longest_pause_seconds=0)
    spent = (await world.job(await _answered(world)))["costUsd"]
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD=str(spent * 1.5))
    await world.give("alice", 10)

    second = await world.job(await world.submit("alice", speed="instant"))
    third = await world.job(await world.submit("alice", speed="instant"))

    assert (second["status"], third["status"], third["waitsFor"]) == ("completed", "processing", "budget")
    world.pass_time(days=1)


def test_six_hours_are_counted_from_when_it_was_first_asked_for() -> None:
    """Not from the last attempt, nor from when its batch was begun."""
    from nightshift.instant.realtime import gives_up_at
    from nightshift.jobs.job import Job

    began = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(
        job_id="x",
        user_id="x",
        type="x",
        input={},
        status="processing",
        lane=None,
        batch_id=None,
        attempts=9,
        former_batch_ids=(),
        update_time=began + timedelta(hours=5),
        submitted_at=began,
    )
    assert gives_up_at(job) == began + timedelta(hours=6)
