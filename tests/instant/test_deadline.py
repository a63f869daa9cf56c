"""A deadline on a batch job: it starts cheap, and if its batch is late it is answered in real time for the same price.

The clock is the functions' and the provider's; the provider holds a batch for as long as a test wants.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from cli.audit.audit import audit
from cli.audit.scope import Scope
from local.openai_server import Reply, ReplyRule, RequestFault
from nightshift.instant.deadline import LONGEST, learned, margin
from tests.batches.test_sleepers import everything
from tests.instant.test_instant import asked
from tests.support.events import logged, of
from tests.support.pause import pause_commit, pause_storage
from tests.support.promises import assert_promises_kept
from tests.support.world import World

NEAR = 119


async def _in_a_held_batch(world: World, **fields: Any) -> str:
    """A job of alice's that is due in an hour, in a batch at which the provider sits."""
    world.provider.hold("in_progress")
    await world.give("alice", 5)
    job_id = await world.submit("alice", deadline=world.now() + timedelta(hours=1), **fields)
    assert (await world.job(job_id))["status"] == "processing"
    return job_id


async def _come_near(world: World, job_id: str) -> None:
    """Let time pass until the deadline is nearer than the margin."""
    deadline: datetime = (await world.job(job_id))["deadline"]
    world.pass_time(seconds=(deadline - world.now()).total_seconds() - NEAR)


async def test_near_its_deadline_a_job_is_answered_in_real_time_for_the_batch_price(world: World) -> None:
    """Its batch comes later: the line is passed over, and the counts say that the job left it."""
    job_id = await _in_a_held_batch(world)
    other = await world.submit("alice")
    assert await world.sweep() == 200
    assert asked(world) == 0, "an hour is time enough"
    await _come_near(world, job_id)

    with logged() as events:
        assert await world.sweep() == 200

    job = await world.job(job_id)
    assert (job["status"], job["tokensSpent"], job["attempts"]) == ("completed", 1, 2)
    assert job["completedAt"] <= job["deadline"]
    assert not {"batchId", "batchUntil", "nextAttemptAt"} & job.keys()
    (taken_out,) = of(events, "job_taken_out")
    assert taken_out["job_id"] == job_id
    assert asked(world) == 1
    before = {name: document for name, document in (await everything(world)).items() if job_id in name}
    world.provider.release()
    await world.finish()

    after = {name: document for name, document in (await everything(world)).items() if job_id in name}
    assert after == before
    assert (await world.job(other))["status"] == "completed"
    first, second = await world.batches()
    assert (first["jobCount"], first["counts"]["retried"], first["counts"]["completed"]) == (1, 1, 0)
    assert (second["jobCount"], second["counts"]["completed"]) == (1, 1)
    assert (await world.read("wallets/alice"))["balance"] == 3
    await assert_promises_kept(world)


async def test_a_job_that_is_still_queued_is_taken_out_of_its_lane(world: World) -> None:
    """Nothing was submitted, and no batch takes it any more."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 5)
    await world.submit("alice")
    job_id = await world.submit("alice", deadline=world.now() + timedelta(seconds=90))
    assert (await world.job(job_id))["status"] == "queued"

    assert await world.sweep() == 200

    assert (await world.job(job_id))["status"] == "completed"
    assert asked(world) == 1
    await world.finish()
    assert [batch["jobCount"] for batch in await world.batches()] == [1]
    await assert_promises_kept(world)


async def test_a_tick_sweeps_too(world: World) -> None:
    """Without the schedule of every minute, deadlines are kept to ten minutes."""
    job_id = await _in_a_held_batch(world)
    await _come_near(world, job_id)

    assert await world.tick() == 200

    assert (await world.job(job_id))["status"] == "completed"
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def test_two_sweeps_at_once_ask_once(world: World) -> None:
    """One takes the job out, and the other one finds it taken."""
    job_id = await _in_a_held_batch(world)
    await _come_near(world, job_id)

    assert set(await asyncio.gather(world.sweep(), world.sweep(), world.tick())) == {200}

    assert (await world.job(job_id))["status"] == "completed"
    assert asked(world) == 1
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def test_a_batch_that_delivers_in_time_is_not_interfered_with(world: World) -> None:
    """The deadline has no effect but to be kept."""
    job_id = await _in_a_held_batch(world)
    world.provider.release()
    await world.finish()
    before = await everything(world)
    await _come_near(world, job_id)

    assert await world.sweep() == 200

    assert (await world.job(job_id))["attempts"] == 1
    assert await everything(world) == before
    assert asked(world) == 0
    await assert_promises_kept(world)


async def test_a_retry_keeps_its_deadline(world: World) -> None:
    """The batch came back with an error: the job is queued again, and its second batch may be late."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    world.provider.faults.add(ReplyRule(Reply.http_error(500)))
    job_id = await _in_a_held_batch(world)
    world.provider.release()
    await world.provider.settled()
    world.provider.hold("in_progress")
    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] in {"queued", "processing"}
    await _come_near(world, job_id)

    assert await world.sweep() == 200

    assert (await world.job(job_id))["status"] == "completed"
    assert asked(world) == 1
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def test_in_real_time_it_has_six_hours_from_when_it_was_taken_out(world: World) -> None:
    """However long it was in its batch; what is refunded is the batch price."""
    world.bound(longest_pause_seconds=0)
    world.provider.faults.add(RequestFault("POST", "/v1/chat/completions", status=503, times=None))
    world.provider.hold("in_progress")
    await world.give("alice", 5)
    job_id = await world.submit("alice", deadline=world.now() + timedelta(hours=20))
    await _come_near(world, job_id)
    assert await world.sweep() == 200
    world.pass_time(hours=5, minutes=55)
    assert await world.sweep() == 200
    assert (await world.job(job_id))["status"] == "processing"
    world.pass_time(minutes=10)

    assert await world.sweep() == 200

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"]) == ("failed", "provider_rejected")
    assert (await world.read("wallets/alice"))["balance"] == 5
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


# At the same time as a step of its batch


async def test_a_job_is_taken_out_while_its_batch_is_assembled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is claimed, and its line is on the way into the input file: the batch goes on, and its line is passed over."""
    pause = pause_storage(monkeypatch, "input.jsonl", "before")
    await world.give("alice", 5)
    job_id = await world.write("alice", deadline=world.now() + timedelta(seconds=90))
    trigger = asyncio.create_task(world.trigger(job_id))
    await pause.begun()
    assert (await world.batches())[0]["status"] == "assembling"

    assert await world.sweep() == 200
    pause.end()

    assert await trigger == 200
    assert (await world.job(job_id))["status"] == "completed"
    await world.finish()
    (batch,) = await world.batches()
    assert (batch["jobCount"], batch["counts"]["retried"]) == (1, 1)
    await assert_promises_kept(world)


@pytest.mark.parametrize("others", [0, 1])
async def test_a_job_is_taken_out_of_a_batch_whose_assembler_died(
    world: World, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """The batch is assembled anew without it; where it was the only one, there is nothing to submit."""
    await world.give("alice", 5)
    for _ in range(others):
        await world.write("alice")
    job_id = await world.write("alice", deadline=world.now() + timedelta(minutes=6))
    world.pass_time(seconds=125)
    died = RuntimeError("the process died here")
    with monkeypatch.context() as dying:

        async def die(*_: Any) -> None:
            raise died

        dying.setattr("nightshift.batches.artifacts.write", die)
        await world.tick()
    (batch,) = await world.batches()
    assert (batch["status"], batch["jobCount"]) == ("assembling", 1 + others)
    world.pass_time(seconds=125)

    assert await world.sweep() == 200
    assert (await world.job(job_id))["status"] == "completed"
    await world.finish()

    (batch,) = await world.batches()
    assert (batch["jobCount"], batch["counts"]["completed"]) == (others, others)
    assert len(world.provider.batches) == others
    await assert_promises_kept(world)


async def test_a_claim_that_meets_the_taking_out_begins_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The assembler has read the job as queued; its claim is refused, and takes the others."""
    pause = pause_commit(monkeypatch, lambda writes: "/ai_batches/" in writes and "/ai_jobs/" in writes, "before")
    await world.give("alice", 5)
    other = await world.write("alice")
    job_id = await world.write("alice", deadline=world.now() + timedelta(seconds=200))
    world.pass_time(seconds=125)
    tick = asyncio.create_task(world.tick())
    await pause.begun()

    assert await world.sweep() == 200
    pause.end()

    assert await tick == 200
    assert (await world.job(job_id))["status"] == "completed"
    await world.finish()
    assert (await world.job(other))["status"] == "completed"
    assert [batch["jobCount"] for batch in await world.batches()] == [1]
    await assert_promises_kept(world)


async def test_a_line_that_meets_the_taking_out_is_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch's answer is in hand, judged and not yet written; the answer in real time is the only one."""
    job_id = await _in_a_held_batch(world)
    await _come_near(world, job_id)
    pause = pause_commit(monkeypatch, lambda writes: "/classifications/" in writes, "before")
    world.provider.release()
    await world.provider.settled()
    tick = asyncio.create_task(world.tick())
    await pause.begun()

    assert await world.sweep() == 200
    before = await world.job(job_id)
    assert "batchId" not in before
    pause.end()

    assert await tick == 200
    assert await world.job(job_id) == before
    await world.finish()
    await assert_promises_kept(world)


# What a deadline is


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"deadline": "tomorrow"}, "deadline: "),
        ({"deadline": 1_800_000_000}, "deadline: "),
        ({"speed": "instant"}, "only a job of the speed batch has a deadline"),
    ],
    ids=["a text", "a number", "of an instant job"],
)
async def test_what_is_no_deadline_is_refused(
    world: World, fields: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the functions, too, should the rules let it pass; nothing is charged, and the log says what is wrong."""
    await world.give("alice", 5)

    job = await world.job(await world.submit("alice", **{"deadline": world.now() + timedelta(hours=1), **fields}))

    assert (job["status"], job["errorCode"]) == ("failed", "invalid_input")
    assert reason in capsys.readouterr().out
    assert (await world.read("wallets/alice"))["balance"] == 5
    await assert_promises_kept(world)


async def test_a_deadline_that_is_over_is_kept_as_well_as_can_be(world: World) -> None:
    """Its event came late: the job is admitted, and the next sweep answers it."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 5)
    await world.submit("alice")
    job_id = await world.submit("alice", deadline=world.now() - timedelta(minutes=1))

    assert await world.sweep() == 200

    assert (await world.job(job_id))["status"] == "completed"
    await world.finish()
    await assert_promises_kept(world)


async def test_a_deadline_that_is_too_near_is_refused(world: World) -> None:
    """An instant answer for the batch price is not for sale; one that is refused for it costs nothing."""
    # As by default.
    world.set_env(NIGHTSHIFT_MIN_DEADLINE_SECONDS="")
    await world.give("alice", 5)

    near = await world.job(await world.submit("alice", deadline=world.now() + timedelta(minutes=59)))
    far = await world.job(await world.submit("alice", deadline=world.now() + timedelta(minutes=61)))

    assert (near["status"], near["errorCode"]) == ("failed", "invalid_input")
    assert near["errorMessage"] == "The time for the answer is too near. Choose one at least 60 min ahead."
    assert far["status"] == "processing"
    assert (await world.read("wallets/alice"))["balance"] == 4
    await world.finish()
    await assert_promises_kept(world)


async def test_a_deadline_is_as_far_ahead_as_it_was_when_the_job_was_written(world: World) -> None:
    """Its event came late, and a tick admits it: that is not its user's fault."""
    world.set_env(NIGHTSHIFT_MIN_DEADLINE_SECONDS="3600")
    await world.give("alice", 5)
    job_id = await world.write("alice", deadline=world.now() + timedelta(minutes=61))
    world.pass_time(minutes=59)

    assert await world.tick() == 200

    assert (await world.job(job_id))["status"] == "completed"
    await world.finish()
    await assert_promises_kept(world)


# The margin


def test_the_margin_has_a_floor_and_a_bound() -> None:
    """Two minutes, until what was learned needs more: twice that, and a minute until the next look."""
    assert [margin(seconds) for seconds in (0, 30, 31, 120, 10_000)] == [
        timedelta(minutes=2),
        timedelta(minutes=2),
        timedelta(seconds=122),
        timedelta(minutes=5),
        LONGEST,
    ]


def test_what_is_learned_follows_nineteen_of_twenty() -> None:
    """The first figure as it is, later ones by a part; one outlier of twenty counts for nothing."""
    assert learned(0, [2.0]) == 2
    assert learned(10, [20.0]) == pytest.approx(13)
    assert learned(0, [1.0] * 19 + [900.0]) == 1
    assert learned(0, [100_000.0]) == LONGEST.total_seconds()


async def test_slow_answers_widen_the_margin_of_their_lane(world: World) -> None:
    """A sweep writes down how long its answers took, once; the next one looks further ahead, in that lane alone."""
    lane = "openai:/v1/chat/completions:gpt-5-mini"

    async def slowly(*_: Any) -> None:
        world.pass_time(seconds=100)

    job_id = await _in_a_held_batch(world)
    await _come_near(world, job_id)
    world.provider.script.answer = slowly
    assert await world.sweep() == 200
    world.provider.script.answer = None
    (known,) = (await world.documents("latencies")).values()
    assert known["lane"] == lane
    assert 100 <= known["seconds"] < 120

    second = await world.submit("alice", deadline=world.now() + timedelta(seconds=250))
    assert await world.sweep() == 200
    assert (await world.job(second))["status"] == "completed"
    await world.firestore.document("latencies/other").set({"lane": "other", "seconds": known["seconds"]})
    await world.firestore.document(f"latencies/{lane.replace('/', '%2F')}").delete()
    third = await world.submit("alice", deadline=world.now() + timedelta(seconds=250))
    assert await world.sweep() == 200
    assert (await world.job(third))["status"] == "processing"
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def test_the_audit_agrees_with_a_job_that_left_its_batch(world: World) -> None:
    """While it is answered, and when the batch is closed without it, a recount finds what was counted."""
    job_id = await _in_a_held_batch(world)
    await world.submit("alice")
    await _come_near(world, job_id)
    world.provider.faults.add(RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "600"}))
    assert await world.sweep() == 200
    assert (await world.job(job_id))["waitsFor"] == "rate_limit"
    world.provider.release()
    await world.provider.settled()
    assert await world.tick() == 200
    assert not await world.open_batches()

    runtime = world.operators_runtime(openai_api_key=None)
    assert not [finding async for finding in audit(Scope(runtime=runtime, grace=timedelta()))]
    world.pass_time(minutes=15)
    await world.finish()
    await assert_promises_kept(world)
