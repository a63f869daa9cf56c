"""An operator cancels a job: wherever it is, it ends once, has one notification, and costs nothing."""

import asyncio
from typing import Any

import pytest

from local.openai_server import RequestFault
from nightshift.jobs import settlements
from nightshift.jobs.cancel import cancel
from nightshift.jobs.settlement import Settlement
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def test_a_created_job_is_cancelled_and_nothing_was_charged(world: World) -> None:
    """Its event has not come yet; when it comes, it finds a job that has ended."""
    await world.give("alice", 1)
    job_id = await world.write("alice")

    assert await cancel(world.operators_runtime(), job_id) == "cancelled"
    assert await world.trigger(job_id) == 200

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"], job["tokensSpent"]) == ("cancelled", "cancelled", 0)
    note = await world.read(f"notifications/{job_id}")
    assert (note["type"], note["title"]) == ("job_cancelled", "Waste classification cancelled")
    assert note["message"] == "The request was cancelled. Nothing was charged."
    assert set(await world.documents("wallets/alice/ledger")) == {"welcome"}
    await assert_promises_kept(world)


async def test_a_queued_job_is_cancelled_and_refunded(world: World) -> None:
    """The lane is quiet; its token comes back in the commit that ends it, and no batch is made."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 2)
    await world.submit("alice")
    await world.finish()
    job_id = await world.submit("alice")
    assert (await world.job(job_id))["status"] == "queued"

    assert await cancel(world.operators_runtime(), job_id) == "cancelled"
    await world.finish()

    assert (await world.read(f"notifications/{job_id}"))["message"] == (
        "The request was cancelled. Your tokens were returned."
    )
    assert (await world.read("wallets/alice"))["balance"] == 1
    assert len(world.provider.batches) == 1
    await assert_promises_kept(world)


async def test_the_late_line_of_a_cancelled_job_is_ignored_and_the_batch_counts_it_as_cancelled(world: World) -> None:
    """One of two jobs of a live batch is cancelled; the batch goes on, and its counts are right."""
    await world.give("alice", 2)
    jobs = [await world.write("alice"), await world.write("alice")]
    world.provider.hold("in_progress")
    world.pass_time(minutes=3)
    assert await world.tick() == 200

    assert await cancel(world.operators_runtime(), jobs[0]) == "cancelled"
    assert (await world.job(jobs[0]))["batchId"]
    world.provider.release()
    await world.finish()

    assert [(await world.job(job_id))["status"] for job_id in jobs] == ["cancelled", "completed"]
    counts = {"completed": 1, "failed": 0, "retried": 0, "cancelled": 1}
    assert [batch["counts"] for batch in await world.batches()] == [counts]
    assert (await world.read("wallets/alice"))["balance"] == 1
    await assert_promises_kept(world)


async def test_a_job_that_is_cancelled_while_its_answer_is_settled_is_not_counted_as_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cancelled after the line was judged and before the commit: one of the two wins, and is counted."""
    await world.give("alice", 2)
    jobs = [await world.write("alice"), await world.write("alice")]
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    await world.provider.settled()
    settle = settlements.settle

    async def after_a_cancel(runtime: Any, judged: list[Settlement]) -> Any:
        monkeypatch.setattr(settlements, "settle", settle)
        assert await cancel(world.operators_runtime(), jobs[0]) == "cancelled"
        return await settle(runtime, judged)

    monkeypatch.setattr(settlements, "settle", after_a_cancel)
    await world.finish()

    assert [(await world.job(job_id))["status"] for job_id in jobs] == ["cancelled", "completed"]
    counts = {"completed": 1, "failed": 0, "retried": 0, "cancelled": 1}
    assert [batch["counts"] for batch in await world.batches()] == [counts]
    await assert_promises_kept(world)


async def test_of_a_cancel_and_an_answer_at_the_same_moment_one_wins(world: World) -> None:
    """Eight jobs are cancelled, each by two operators, while their lines are ingested: each ends once."""
    await world.give("alice", 8)
    jobs = [await world.write("alice") for _ in range(8)]
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    await world.provider.settled()
    runtime = world.operators_runtime()

    told = await asyncio.gather(world.tick(), *(cancel(runtime, job_id) for job_id in jobs + jobs))
    await world.finish()

    ends = [(await world.job(job_id))["status"] for job_id in jobs]
    assert told[1:] == [*ends, *ends], "each cancel returns the true status"
    (batch,) = await world.batches()
    assert batch["counts"]["completed"] == ends.count("completed")
    assert batch["counts"]["cancelled"] == ends.count("cancelled")
    await assert_promises_kept(world)


async def test_of_a_cancel_and_an_admission_at_the_same_moment_nothing_is_charged_for_nothing(world: World) -> None:
    """Eight jobs are cancelled while their events come: whether charged and refunded or never charged, all is even."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 8)
    jobs = [await world.write("alice") for _ in range(8)]
    runtime = world.operators_runtime()

    await asyncio.gather(*(step for job_id in jobs for step in (world.trigger(job_id), cancel(runtime, job_id))))
    await world.finish()

    assert {(await world.job(job_id))["status"] for job_id in jobs} == {"cancelled"}
    assert (await world.read("wallets/alice"))["balance"] == 8
    await assert_promises_kept(world)


async def test_a_job_that_has_ended_stays_as_it_is(world: World) -> None:
    """`cancel` returns how it ended."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.finish()
    before = await world.job(job_id)

    assert await cancel(world.operators_runtime(), job_id) == "completed"
    assert await cancel(world.operators_runtime(), "no-such-job") is None
    assert await world.job(job_id) == before


async def test_a_queued_job_that_lies_in_no_lane_can_be_cancelled(world: World) -> None:
    """It was damaged by hand, so no tick submits it; its user gets the token back."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 2)
    await world.submit("alice")
    job_id = await world.submit("alice")
    await world.firestore.document(f"ai_jobs/{job_id}").update({"lane": None})

    assert await cancel(world.operators_runtime(), job_id) == "cancelled"

    assert (await world.read("wallets/alice"))["balance"] == 1


async def test_a_job_that_is_cancelled_before_its_batch_is_written_anew_is_counted(world: World) -> None:
    """The assembler died with two jobs claimed; one is cancelled, and the file is written from the other."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 2)
    jobs = [await world.write("alice"), await world.write("alice")]
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"status": "assembling"})

    assert await cancel(world.operators_runtime(), jobs[0]) == "cancelled"
    await world.finish()

    (batch,) = await world.batches()
    assert batch["counts"] == {"completed": 1, "failed": 0, "retried": 0, "cancelled": 1}
    assert (await world.artifact(batch["id"], "input.jsonl")).count(b"\n") == 1
    await assert_promises_kept(world)
