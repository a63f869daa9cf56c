"""What is refunded has cost us all the same: it is counted by user and day, once, and bounded."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from local.openai_server import Reply, ReplyRule
from nightshift.admission.admit import admit
from nightshift.admission.retry import retry
from nightshift.jobs.cancel import cancel
from nightshift.ledger.limits import Admissions, UserLimits
from nightshift.tick.tick import tick
from tests.batches.test_results import RIGHT_ANSWER, WRONG_ANSWER
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import FAULTS
from tests.pricing.test_costs import INPUT_USD, OUTPUT_USD
from tests.support.promises import assert_promises_kept
from tests.support.world import World

# The longest answer that a job type allows, paid in full.
USAGE = {"prompt_tokens": 400, "completion_tokens": 4_000}
LINE_USD = (400 * INPUT_USD + 4_000 * OUTPUT_USD) / 2
FAILING = {
    "refused": (Reply(refusal="No.", usage=USAGE), 1),
    "filtered": (Reply(content=RIGHT_ANSWER, finish_reason="content_filter", usage=USAGE), 1),
    "cut off": (Reply(content='{"itemName": "bo', finish_reason="length", usage=USAGE), 3),
    "no JSON": (Reply(content="no JSON", usage=USAGE), 3),
    "not what was asked for": (Reply(content=WRONG_ANSWER, usage=USAGE), 3),
}
NO_JSON = FAILING["no JSON"][0]


@pytest.fixture(autouse=True)
def _seam() -> Iterator[None]:
    with seam():
        yield


async def _failed_usd(world: World, uid: str = "alice") -> float:
    usd: float = (await world.read(f"wallets/{uid}"))["admissions"].get("failedUsd", 0.0)
    return usd


async def _finish(world: World) -> None:
    """As `World.finish`, with the waits of jobs in real time."""
    for _ in range(4):
        await world.provider.settled()
        await world.tick()
        world.pass_time(minutes=5)
    await world.finish()


@pytest.mark.parametrize("speed", ["batch", "instant"])
@pytest.mark.parametrize("kind", FAILING)
async def test_each_unusable_answer_counts_for_its_user(world: World, kind: str, speed: str) -> None:
    """Also those of earlier attempts; the tokens come back, and another user's count is untouched."""
    reply, attempts = FAILING[kind]
    world.provider.faults.add(ReplyRule(reply=reply, text="trouble", times=None))
    await world.give("alice", 5)
    await world.give("bob", 5)
    job_id = await world.submit(speed=speed, input={"text": "trouble"})
    await world.submit("bob", speed=speed)
    await _finish(world)

    line_usd = LINE_USD * (2 if speed == "instant" else 1)
    assert (await world.job(job_id))["status"] == "failed"
    assert await _failed_usd(world) == pytest.approx(attempts * line_usd)
    assert (await world.read("wallets/alice"))["balance"] == 5
    assert await _failed_usd(world, "bob") == 0
    await assert_promises_kept(world)


async def test_an_answer_after_a_failed_attempt_counts_nothing(world: World) -> None:
    """The user has paid for it."""
    world.provider.faults.add(ReplyRule(reply=NO_JSON, times=2))
    await world.give("alice", 5)
    job_id = await world.submit()
    await world.finish()

    assert ((await world.job(job_id))["status"], (await world.job(job_id))["attempts"]) == ("completed", 3)
    assert await _failed_usd(world) == 0


async def test_who_has_failed_too_often_waits_for_the_next_day(world: World) -> None:
    """With five tokens, without end: the limit ends it, with a sentence and an event; no other user notices."""
    world.set_env(NIGHTSHIFT_MAX_FAILED_USD_PER_DAY=str(5 * LINE_USD), NIGHTSHIFT_MAX_ATTEMPTS="1")
    world.provider.faults.add(ReplyRule(reply=NO_JSON, text="trouble", times=None))
    await world.give("alice", 2)
    await world.give("bob", 2)
    runtime = world.operators_runtime()
    refused: list[dict[str, Any]] = []
    with capture_logs() as events:
        while not refused:
            job_ids = [await world.write(input={"text": "trouble"}) for _ in range(2)]
            for job_id in job_ids:
                await admit(runtime, job_id)
            await tick(runtime)
            await world.provider.settled()
            await tick(runtime)
            jobs = [await world.job(job_id) for job_id in job_ids]
            refused = [job for job in jobs if job["errorCode"] != "result_invalid"]

    assert {job["errorCode"] for job in refused} == {"too_many_failures"}
    assert refused[0]["errorMessage"] == (
        "Too many of your requests could not be answered today. Try again after midnight UTC."
    )
    assert await _failed_usd(world) == pytest.approx(6 * LINE_USD)
    assert (await world.read("wallets/alice"))["balance"] == 2
    told = [event for event in events if event["event"] == "failures_limit_reached"]
    assert [(event["log_level"], event["limit_usd"]) for event in told] == [("warning", 5 * LINE_USD)]
    bobs = await world.submit("bob")
    world.pass_time(days=1)
    again = await world.submit("alice")
    await world.finish()
    assert [(await world.job(job_id))["status"] for job_id in (bobs, again)] == ["completed", "completed"]
    await assert_promises_kept(world)


async def _ingested(world: World, uid: str, *strikes: Strike, is_late: bool = False) -> Traffic:
    """Two jobs of one batch are answered, and a tick ingests them, struck; returns its calls.

    With `is_late`, both are cancelled before.
    """
    await world.give(uid, 2)
    world.provider.hold("in_progress")
    job_ids = [await world.write(uid) for _ in range(2)]
    world.pass_time(minutes=5)
    await world.tick()
    if is_late:
        await asyncio.gather(*(cancel(world.operators_runtime(), job_id) for job_id in job_ids))
    world.provider.release()
    await world.provider.settled()
    traffic = Traffic(*strikes)
    await traffic.invoke(world.tick)
    await traffic.land()
    world.set_env()
    world.pass_time(minutes=5)
    return traffic


def _ingesting_commits(undisturbed: Traffic) -> list[int]:
    """The calls by which a tick settles its jobs and closes their batch; a commit before them notes what it polled."""
    return [call.number for call in undisturbed.calls if call.name == "firestore.Commit"][1:3]


@pytest.mark.parametrize("fault", ["lost", "lost-timeout", "late-2", "aborted"])
async def test_that_the_limit_is_reached_is_logged_though_the_commits_answer_is_lost(
    world: World, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    """The tick cannot know that it wrote what it finds; the operator is alerted all the same."""
    world.set_env(
        NIGHTSHIFT_MAX_ATTEMPTS="1",
        NIGHTSHIFT_COALESCE_SECONDS="3600",
        NIGHTSHIFT_MAX_FAILED_USD_PER_DAY=str(1.5 * LINE_USD),
    )
    world.provider.faults.add(ReplyRule(reply=NO_JSON, times=None))
    for number in _ingesting_commits(await _ingested(world, "bob")):
        uid = f"user-{number}"
        capsys.readouterr()
        traffic = await _ingested(world, uid, Strike(FAULTS[fault], number))
        await world.tick()
        assert [call.name for call, _ in traffic.struck] == ["firestore.Commit"]
        assert await _failed_usd(world, uid) == pytest.approx(2 * LINE_USD)
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        told = [event for event in events if event["message"] == "failures_limit_reached"]
        assert told, f"call {number}"
        assert {event["limit_usd"] for event in told} == {1.5 * LINE_USD}


async def test_the_limit_is_on_by_default(world: World) -> None:
    """And 0 switches it off."""
    limit_usd = world.operators_runtime().settings.max_failed_usd_per_day
    assert 0 < limit_usd <= 1
    failed = Admissions(day="2025-06-19", on_day=1, in_flight_at_most=0, failed_usd=limit_usd)
    refusal = failed.refusal(UserLimits(per_day=0, in_flight=0, failed_usd=limit_usd))
    assert refusal
    assert refusal.code == "too_many_failures"
    assert failed.refusal(UserLimits(per_day=0, in_flight=0, failed_usd=0)) is None
    assert Admissions.read(failed.fields(), "2025-06-20").failed_usd == 0


async def test_a_line_that_comes_after_its_job_was_cancelled_counts_once(world: World) -> None:
    """However often the file is read: the provider has answered, and the user got the tokens back."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.faults.add(ReplyRule(reply=Reply(content=RIGHT_ANSWER, usage=USAGE), times=None))
    await world.give("alice", 5)
    job_ids = [await world.write() for _ in range(3)]
    world.pass_time(hours=1)
    world.provider.hold("in_progress")
    # Each line stands in the file twice.
    world.provider.script.edit_output = lambda _, lines: [*lines, *lines]
    await world.tick()
    for job_id in job_ids[:2]:
        await cancel(world.operators_runtime(), job_id)
    assert await _failed_usd(world) == 0
    world.provider.release()
    await world.provider.settled()
    await world.finish()

    assert await _failed_usd(world) == pytest.approx(2 * LINE_USD)
    assert (await world.job(job_ids[2]))["status"] == "completed"
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    "fault", ["lost", "lost-timeout", "late-2", "aborted", "unavailable", "dies-before", "dies-after"]
)
@pytest.mark.parametrize("is_late", [False, True])
async def test_whatever_becomes_of_a_commit_a_failure_is_counted_once(
    world: World, fault: str, *, is_late: bool
) -> None:
    """Both commits of the tick that ingests are struck, each for another user."""
    reply = Reply(content=RIGHT_ANSWER if is_late else "no JSON", usage=USAGE)
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1", NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.faults.add(ReplyRule(reply=reply, times=None))
    for number in _ingesting_commits(await _ingested(world, "bob", is_late=is_late)):
        uid = f"user-{number}"
        traffic = await _ingested(world, uid, Strike(FAULTS[fault], number), is_late=is_late)
        assert [call.name for call, _ in traffic.struck] == ["firestore.Commit"]
        await world.finish()
        assert await _failed_usd(world, uid) == pytest.approx(2 * LINE_USD), f"call {number}"
    await assert_promises_kept(world)


async def test_a_second_run_counts_what_comes_on_top(world: World) -> None:
    """An operator's retry of an instant job goes on from its cost, and of a batch job from nothing."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    world.provider.faults.add(ReplyRule(reply=NO_JSON, times=None))
    await world.give("alice", 6)
    job_ids = [await world.submit(), await world.submit(speed="instant")]
    await world.finish()
    assert await _failed_usd(world) == pytest.approx(3 * LINE_USD)
    for job_id in job_ids:
        await retry(world.operators_runtime(), job_id)
    await world.finish()

    assert await _failed_usd(world) == pytest.approx(6 * LINE_USD)
    await assert_promises_kept(world)
