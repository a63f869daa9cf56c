"""Jobs in real time that an operator runs again, cancels, or erases with their user, wherever they are."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from local.openai_server import Reply, ReplyRule, RequestFault
from nightshift.admission.retry import retry
from nightshift.instant import answer
from nightshift.jobs.cancel import cancel
from nightshift.pricing.spending import spent_usd
from tests.instant.test_instant import CHAT, asked
from tests.support.events import logged, of
from tests.support.operating import operate
from tests.support.pause import Pause, pause_commit, pause_provider
from tests.support.promises import assert_audit_is_clean, assert_promises_kept
from tests.support.world import World

LATER = RequestFault("POST", CHAT, status=429, headers={"Retry-After": "30"})
OF_A_RUN = {"batchId", "batchUntil", "nextAttemptAt", "waitsFor", "invalidAnswers"}


def _writes_an_end(writes: str) -> bool:
    return "/classifications/" in writes


def _puts_off(writes: str) -> bool:
    return "waitsFor" in writes and "rate_limit" in writes


async def _failed(world: World, **fields: Any) -> str:
    """A job of alice's that the AI declined in real time; returns its id."""
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), times=1))
    await world.give("alice", 5)
    job_id = await world.submit("alice", **{"speed": "instant", **fields})
    assert await world.sweep() == 200
    assert (await world.job(job_id))["status"] == "failed"
    return job_id


async def _assert_cancelled(world: World, job_id: str) -> None:
    """It ended once, and nothing of its run is left; its tokens came back once."""
    job = await world.job(job_id)
    assert (job["status"], job["errorCode"], job["tokensSpent"]) == ("cancelled", "cancelled", 0)
    assert not OF_A_RUN & job.keys() - {"batchUntil"}
    assert (await world.read(f"notifications/{job_id}"))["title"] == "Waste classification cancelled"
    assert (await world.read("wallets/alice"))["balance"] == 5
    await assert_promises_kept(world)


# Again


@pytest.mark.parametrize("by", ["sweep", "tick"])
async def test_an_instant_job_is_run_again_in_real_time_for_free(world: World, by: str) -> None:
    """It is due at once, free to be taken and with all its attempts; the next sweep or tick answers it."""
    job_id = await _failed(world)

    assert await retry(world.operators_runtime(), job_id) == "processing"

    job = await world.job(job_id)
    assert (job["attempts"], job["tokensSpent"], job["waitsFor"]) == (0, 0, "rescue")
    assert job["nextAttemptAt"] == job["submittedAt"] <= world.now()
    assert not {"errorCode", "errorMessage", "completedAt", "expireAt"} & job.keys()
    assert not await world.documents("notifications")
    assert (await world.read("wallets/alice"))["admissions"]["inFlightAtMost"] == 2
    await assert_audit_is_clean(world)
    with logged() as events:
        assert await {"sweep": world.sweep, "tick": world.tick}[by]() == 200
    job = await world.job(job_id)
    assert (job["status"], job["attempts"], job["tokensSpent"]) == ("completed", 1, 0)
    assert not OF_A_RUN & job.keys()
    assert not of(events, "answer_repeated")
    assert not await world.batches()
    assert (await world.read("wallets/alice"))["balance"] == 5
    await assert_promises_kept(world)


async def test_a_redelivered_event_answers_it_too(world: World) -> None:
    """A trigger may take it as well; once it is answered, no later event does."""
    job_id = await _failed(world)
    await retry(world.operators_runtime(), job_id)

    assert await world.trigger(job_id) == 200
    assert await world.sweep() == 200

    assert ((await world.job(job_id))["status"], asked(world)) == ("completed", 2)
    await assert_promises_kept(world)


async def test_two_operators_and_two_sweeps_run_it_again_once(world: World) -> None:
    """The first commit runs it again; the other operators find it on its way, or answered."""
    job_id = await _failed(world)

    retries = [retry(world.operators_runtime(), job_id) for _ in range(2)]
    await asyncio.gather(*retries, world.sweep(), world.sweep(), return_exceptions=True)
    assert await world.sweep() == 200

    assert ((await world.job(job_id))["status"], asked(world)) == ("completed", 2)
    await assert_promises_kept(world)


async def test_six_hours_and_three_answers_that_are_none_count_anew(world: World) -> None:
    """It had no answer for six hours, two of them none at all; so it failed. Its second run has as much again."""
    world.bound(longest_pause_seconds=0)
    none = ReplyRule(Reply(content="no JSON"), times=2)
    world.provider.faults.add(none)
    await world.give("alice", 5)
    job_id = await world.submit("alice", speed="instant")
    world.pass_time(minutes=5)
    assert await world.sweep() == 200
    assert (await world.job(job_id))["invalidAnswers"] == 2
    world.pass_time(hours=6)
    assert await world.sweep() == 200
    assert (await world.job(job_id))["status"] == "failed"
    world.provider.faults.add(none)

    assert await retry(world.operators_runtime(), job_id) == "processing"
    for waited in (timedelta(), timedelta(hours=5)):
        world.pass_time(seconds=waited.total_seconds())
        assert await world.sweep() == 200
        assert (await world.job(job_id))["status"] == "processing"
    world.pass_time(minutes=5)
    assert await world.sweep() == 200

    assert (await world.job(job_id))["status"] == "completed"
    await assert_promises_kept(world)


async def test_what_the_provider_was_paid_before_stays_in_the_days_sum_once(world: World) -> None:
    """While it is run again, and when it has ended again, each answer counts, and none twice."""
    runtime = world.operators_runtime()
    job_id = await _failed(world)
    first = (await world.job(job_id))["costUsd"]
    assert first == await spent_usd(runtime) > 0

    await retry(runtime, job_id)
    assert await spent_usd(runtime) == first
    assert await world.sweep() == 200

    second = (await world.job(await _answered_of_bob(world)))["costUsd"]
    assert (await world.job(job_id))["costUsd"] == pytest.approx(first + second)
    assert await spent_usd(runtime) == pytest.approx(first + 2 * second)
    await assert_promises_kept(world)


async def _answered_of_bob(world: World) -> str:
    await world.give("bob", 5)
    return await world.submit("bob", speed="instant")


async def test_an_instant_job_that_was_never_charged_is_admitted_anew_and_left_to_a_sweep(world: World) -> None:
    """The operator's process charges it, and does not keep it in hand."""
    job_id = await world.submit("alice", speed="instant")
    assert (await world.job(job_id))["errorCode"] == "insufficient_tokens"
    await world.give("alice", 5)

    assert await retry(world.operators_runtime(), job_id) == "processing"
    assert asked(world) == 0
    with logged() as events:
        assert await world.sweep() == 200

    job = await world.job(job_id)
    assert (job["status"], job["attempts"], job["tokensSpent"]) == ("completed", 1, 5)
    assert not of(events, "answer_repeated")
    await assert_promises_kept(world)


async def test_a_batch_job_that_was_taken_out_for_its_deadline_is_run_again_in_real_time(world: World) -> None:
    """It is late already; its batch, which is still at the provider, keeps nothing from it."""
    world.provider.hold("in_progress")
    job_id = await _failed(world, speed="batch", deadline=world.now() + timedelta(seconds=90))
    (batch,) = await world.batches()

    assert await retry(world.operators_runtime(), job_id) == "processing"
    assert await world.sweep() == 200

    job = await world.job(job_id)
    assert (job["status"], job["tokensSpent"], job["formerBatchIds"]) == ("completed", 0, [batch["id"]])
    assert not OF_A_RUN & job.keys()
    world.provider.release()
    await world.finish()
    assert await world.job(job_id) == job
    assert (await world.read("wallets/alice"))["balance"] == 5
    await assert_promises_kept(world)


async def _declined_in_its_batch(world: World, **fields: Any) -> str:
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), times=1))
    await world.give("alice", 5)
    job_id = await world.submit("alice", deadline=world.now() + timedelta(hours=1), **fields)
    await world.finish()
    assert (await world.job(job_id))["status"] == "failed"
    return job_id


async def test_a_deadline_that_is_still_to_come_holds_for_the_second_run(world: World) -> None:
    """The job is queued for the batch lane, and taken out when its deadline is near."""
    job_id = await _declined_in_its_batch(world)
    world.provider.hold("in_progress")

    assert await retry(world.operators_runtime(), job_id) == "queued"
    job = await world.job(job_id)
    assert job["batchUntil"] == job["deadline"]
    assert await world.tick() == 200
    assert asked(world) == 0
    world.pass_time(minutes=59)
    assert await world.sweep() == 200

    assert ((await world.job(job_id))["status"], asked(world)) == ("completed", 1)
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def test_a_deadline_that_is_over_is_kept_as_well_as_can_be(world: World) -> None:
    """It failed in its batch, and the deadline has passed since: no second batch is waited for."""
    job_id = await _declined_in_its_batch(world)
    world.pass_time(hours=2)

    assert await retry(world.operators_runtime(), job_id) == "processing"
    assert await world.tick() == 200

    assert ((await world.job(job_id))["status"], asked(world)) == ("completed", 1)
    assert len(await world.batches()) == 1
    await assert_promises_kept(world)


# Cancelled


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_job_is_cancelled_while_the_provider_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    """Its answer comes too late: nothing is written, and the log does not call the job answered."""
    pause = pause_provider(monkeypatch, "POST", CHAT, when)
    await world.give("alice", 5)
    job_id = await world.write("alice", speed="instant")
    trigger = asyncio.create_task(world.trigger(job_id))
    await pause.begun()

    assert await cancel(world.operators_runtime(), job_id) == "cancelled"
    with logged() as events:
        pause.end()
        assert await trigger == 200

    (too_late,) = of(events, "answer_not_written")
    assert (too_late["job_id"], too_late["cost_usd"] > 0) == (job_id, True)
    assert not of(events, "job_answered")
    assert await world.trigger(job_id) == 200
    await _assert_cancelled(world, job_id)


async def test_a_job_is_cancelled_while_it_waits_in_the_function(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function sleeps between two attempts; what it learns then changes nothing."""
    world.provider.faults.add(RequestFault("POST", CHAT, status=429, headers={"retry-after-ms": "300"}))
    asleep = asyncio.Event()
    log_delay = answer._log_delay

    def tell(*arguments: Any, **options: Any) -> None:
        log_delay(*arguments, **options)
        asleep.set()

    monkeypatch.setattr(answer, "_log_delay", tell)
    await world.give("alice", 5)
    job_id = await world.write("alice", speed="instant")
    trigger = asyncio.create_task(world.trigger(job_id))
    await asleep.wait()

    assert await cancel(world.operators_runtime(), job_id) == "cancelled"

    assert await trigger == 200
    await _assert_cancelled(world, job_id)


async def test_a_job_that_waits_for_its_next_attempt_is_cancelled_and_not_taken_up_again(world: World) -> None:
    """Neither a sweep nor a tick, when its wait would have been over."""
    world.provider.faults.add(LATER)
    await world.give("alice", 5)
    job_id = await world.submit("alice", speed="instant")
    assert (await world.job(job_id))["waitsFor"] == "rate_limit"

    assert await cancel(world.operators_runtime(), job_id) == "cancelled"
    world.pass_time(seconds=40)
    assert (await world.sweep(), await world.tick()) == (200, 200)

    assert asked(world) == 1
    await _assert_cancelled(world, job_id)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_job_is_cancelled_while_it_is_put_off(world: World, monkeypatch: pytest.MonkeyPatch, when: Any) -> None:
    """The write that lets it wait meets the cancellation: before it, it changes nothing; after it, it is cancelled."""
    pause = pause_commit(monkeypatch, _puts_off, when)
    world.provider.faults.add(LATER)
    await world.give("alice", 5)
    job_id = await world.write("alice", speed="instant")
    trigger = asyncio.create_task(world.trigger(job_id))
    await pause.begun()

    assert await cancel(world.operators_runtime(), job_id) == "cancelled"
    pause.end()

    assert await trigger == 200
    world.pass_time(seconds=40)
    assert await world.sweep() == 200
    await _assert_cancelled(world, job_id)


async def test_an_answer_that_is_written_first_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cancel` says that the job is completed, though it was under way when the operator looked."""
    pause = pause_commit(monkeypatch, lambda writes: "cancelled" in writes, "before")
    world.provider.faults.add(LATER)
    await world.give("alice", 5)
    job_id = await world.submit("alice", speed="instant")
    world.pass_time(seconds=40)
    cancelling = asyncio.create_task(cancel(world.operators_runtime(), job_id))
    await pause.begun()

    assert await world.sweep() == 200
    pause.end()

    assert await cancelling == "completed"
    assert (await world.read("wallets/alice"))["balance"] == 0
    await assert_promises_kept(world)


async def test_of_cancellations_and_answers_at_the_same_moment_one_wins_each(world: World) -> None:
    """Eight jobs, each cancelled by two operators while its answer comes: each ends once, and is paid for so."""
    world.set_env(NIGHTSHIFT_FIRST_CALLS="8")
    together = asyncio.Barrier(1 + 8)

    async def answer_together(*_: Any) -> None:
        await together.wait()
        await together.wait()

    async def let_them_answer() -> None:
        # A cancellation is written after two readings.
        for _ in range(3):
            await world.job(jobs[0])
        await together.wait()

    world.provider.script.answer = answer_together
    await world.give("alice", 40)
    jobs = [await world.write("alice", speed="instant") for _ in range(8)]
    triggers = asyncio.gather(*(world.trigger(job_id) for job_id in jobs))
    runtime = world.operators_runtime()

    await together.wait()
    told = await asyncio.gather(*(cancel(runtime, job_id) for job_id in jobs + jobs), let_them_answer())
    assert set(await triggers) == {200}

    ended = [await world.job(job_id) for job_id in jobs]
    ends = [job["status"] for job in ended]
    assert set(ends) <= {"completed", "cancelled"}
    assert told[:-1] == [*ends, *ends], "each cancel returns the true status"
    assert (await world.read("wallets/alice"))["balance"] == 40 - 5 * ends.count("completed")
    assert not any(OF_A_RUN & job.keys() for job in ended)
    await assert_promises_kept(world)


async def _near_its_deadline(world: World) -> str:
    world.provider.hold("in_progress")
    await world.give("alice", 5)
    return await world.submit("alice", deadline=world.now() + timedelta(seconds=90))


def _takes_out(writes: str) -> bool:
    return "formerBatchIds" in writes and "submittedAt" in writes


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_job_is_cancelled_while_its_deadline_takes_it_out_of_its_batch(
    world: World, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    """Before the sweep has it, the sweep finds it cancelled; after that, its answer comes too late."""
    job_id = await _near_its_deadline(world)
    pause = pause_commit(monkeypatch, _takes_out, when)
    sweep = asyncio.create_task(world.sweep())
    await pause.begun()

    assert await cancel(world.operators_runtime(), job_id) == "cancelled"
    pause.end()

    assert await sweep == 200
    assert asked(world) == (0 if when == "before" else 1)
    world.provider.release()
    await world.finish()
    await _assert_cancelled(world, job_id) if when == "after" else await _assert_cancelled_in_its_batch(world, job_id)


async def _assert_cancelled_in_its_batch(world: World, job_id: str) -> None:
    assert (await world.job(job_id))["status"] == "cancelled"
    assert [batch["counts"]["cancelled"] for batch in await world.batches()] == [1]
    assert (await world.read("wallets/alice"))["balance"] == 5
    await assert_promises_kept(world)


async def test_a_cancellation_that_meets_the_taking_out_begins_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator has read it in its batch; the sweep takes it out and waits; then it is cancelled all the same."""
    job_id = await _near_its_deadline(world)
    world.provider.faults.add(LATER)
    pause = pause_commit(monkeypatch, lambda writes: "cancelled" in writes, "before")
    cancelling = asyncio.create_task(cancel(world.operators_runtime(), job_id))
    await pause.begun()

    assert await world.sweep() == 200
    assert (await world.job(job_id))["waitsFor"] == "rate_limit"
    pause.end()

    assert await cancelling == "cancelled"
    world.provider.release()
    await world.finish()
    assert [batch["counts"]["retried"] for batch in await world.batches()] == [1]
    await _assert_cancelled(world, job_id)


# Erased


async def _while_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> Pause:
    return pause_provider(monkeypatch, "POST", CHAT, "after")


async def _while_written(world: World, monkeypatch: pytest.MonkeyPatch) -> Pause:
    return pause_commit(monkeypatch, _writes_an_end, "before")


async def _while_put_off(world: World, monkeypatch: pytest.MonkeyPatch) -> Pause:
    world.provider.faults.add(LATER)
    return pause_commit(monkeypatch, _puts_off, "before")


@pytest.mark.parametrize("while_", [_while_asked, _while_written, _while_put_off])
async def test_a_user_is_erased_with_an_instant_job_under_way(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    while_: Callable[[World, pytest.MonkeyPatch], Awaitable[Pause]],
) -> None:
    """Whatever its instance is at, it writes nothing of the user's any more; nor does who comes later."""
    pause = await while_(world, monkeypatch)
    await world.give("alice", 10)
    job_id = await world.write("alice", speed="instant")
    trigger = asyncio.create_task(world.trigger(job_id))
    await pause.begun()

    code, output, _ = await operate(world, capsys, "erase", "alice", "--yes", "--json")

    erased = json.loads(output.splitlines()[-1])["summary"]["erased"]
    assert (code, erased["jobs cancelled"], erased["ai_jobs"]) == (0, 1, 1)
    pause.end()
    assert await trigger == 200
    assert await world.trigger(job_id) == 200
    world.pass_time(minutes=3)
    assert (await world.sweep(), await world.tick()) == (200, 200)
    for collection in ("ai_jobs", "classifications", "notifications", "wallets", "wallets/alice/ledger"):
        assert not await world.documents(collection)
    await assert_promises_kept(world)


async def test_a_user_is_erased_with_an_instant_job_that_waits(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """No sweep takes it up again."""
    world.provider.faults.add(LATER)
    await world.give("alice", 10)
    await world.submit("alice", speed="instant")

    code, _, _ = await operate(world, capsys, "erase", "alice", "--yes", "--json")
    world.pass_time(seconds=40)
    assert await world.sweep() == 200

    assert (code, asked(world)) == (0, 1)
    assert not await world.documents("ai_jobs")
    await assert_promises_kept(world)


async def test_what_the_erasure_cancels_and_cannot_delete_yet_waits_for_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was taken out of a batch that is still at the provider, so it stays until that is closed, as cancelled."""
    job_id = await _near_its_deadline(world)
    world.provider.faults.add(LATER)
    assert await world.sweep() == 200
    world.provider.hold("cancelling")

    code, output, _ = await operate(world, capsys, "erase", "alice", "--yes", "--json")

    assert (code, "remains" in output) == (1, True)
    job = await world.job(job_id)
    assert job["status"] == "cancelled"
    assert not OF_A_RUN & job.keys()
    assert (await world.read("wallets/alice"))["balance"] == 5
    world.provider.release()
    await world.finish()
    code, _, _ = await operate(world, capsys, "erase", "alice", "--yes", "--json")
    assert code == 0
    assert not await world.documents("ai_jobs")
    await assert_promises_kept(world)
