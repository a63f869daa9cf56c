"""An operator runs a job again that failed or was cancelled: for free, if it was charged and refunded."""

import asyncio

import pytest
from google.cloud.firestore import DELETE_FIELD

from local.openai_server import Reply, ReplyRule
from nightshift.admission.retry import retry
from nightshift.errors import JobRefused
from nightshift.jobs.cancel import cancel
from tests.support.promises import assert_audit_is_clean, assert_promises_kept
from tests.support.world import World


async def failed_job(world: World, times: int = 1) -> str:
    """A job that the AI declined, and will decline so many times. Its user alice has two tokens."""
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), times=times))
    await world.give("alice", 2)
    job_id = await world.submit("alice")
    await world.finish()
    assert (await world.job(job_id))["status"] == "failed"
    return job_id


async def test_a_job_that_was_refunded_runs_again_for_free(world: World) -> None:
    """It is queued with all its attempts, and its notification is deleted; its answer then costs nothing."""
    job_id = await failed_job(world)

    assert await retry(world.operators_runtime(), job_id) == "queued"

    job = await world.job(job_id)
    assert (job["status"], job["attempts"], job["tokensSpent"]) == ("queued", 0, 0)
    assert not {"errorCode", "errorMessage", "completedAt", "expireAt", "batchId", "submittedAt"} & job.keys()
    assert not await world.documents("notifications")
    assert (await world.read("wallets/alice"))["admissions"]["inFlightAtMost"] == 2
    await assert_audit_is_clean(world)
    await world.finish()
    job = await world.job(job_id)
    assert (job["status"], job["tokensSpent"]) == ("completed", 0)
    assert (await world.read("wallets/alice"))["balance"] == 2
    counts = [batch["counts"] for batch in await world.batches()]
    assert [(each["failed"], each["completed"]) for each in counts] == [(1, 0), (0, 1)]
    await assert_promises_kept(world)


async def test_a_second_failure_gives_nothing_back_twice(world: World) -> None:
    """The ledger says that it was refunded; its second notification does not speak of tokens."""
    job_id = await failed_job(world, times=2)

    assert await retry(world.operators_runtime(), job_id) == "queued"
    await world.finish()

    assert (await world.job(job_id))["status"] == "failed"
    assert "token" not in (await world.read(f"notifications/{job_id}"))["message"]
    assert (await world.read("wallets/alice"))["balance"] == 2
    await assert_promises_kept(world)


async def test_a_job_that_was_never_charged_is_admitted_anew(world: World) -> None:
    """It was refused for want of tokens; with tokens, it is charged and answered like any other."""
    job_id = await world.submit("alice")
    assert (await world.job(job_id))["errorCode"] == "insufficient_tokens"
    await world.give("alice", 1)

    assert await retry(world.operators_runtime(), job_id) == "queued"
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["tokensSpent"]) == ("completed", 1)
    assert "errorCode" not in job
    await assert_promises_kept(world)


async def test_a_job_that_is_refused_again_ends_as_before(world: World) -> None:
    """Nothing has changed; one notification is there, as before."""
    job_id = await world.submit("alice")

    assert await retry(world.operators_runtime(), job_id) == "failed"

    assert (await world.job(job_id))["errorCode"] == "insufficient_tokens"
    assert set(await world.documents("notifications")) == {job_id}
    await assert_promises_kept(world)


async def test_a_cancelled_job_waits_for_its_batch_before_it_runs_again(world: World) -> None:
    """Its line is still at the provider: no job is in two live batches."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    first = (await world.job(job_id))["batchId"]
    runtime = world.operators_runtime()
    assert await cancel(runtime, job_id) == "cancelled"

    with pytest.raises(JobRefused) as refused:
        await retry(runtime, job_id)
    assert refused.value.message == f"Its batch {first} is not closed yet; run it again then."
    world.provider.release()
    await world.provider.settled()
    assert await world.tick() == 200
    assert await retry(runtime, job_id) == "queued"
    assert (await world.job(job_id))["formerBatchIds"] == [first]
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["tokensSpent"]) == ("completed", 0)
    assert job["batchId"] != first
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("completed", "It is completed; only failed and cancelled jobs run again."),
        ("queued", "It is queued; only failed and cancelled jobs run again."),
    ],
)
async def test_a_job_that_has_not_failed_is_not_run_again(world: World, status: str, sentence: str) -> None:
    """Neither one with an answer, nor one under way."""
    job_id = await world.write("alice", status=status)

    with pytest.raises(JobRefused) as refused:
        await retry(world.operators_runtime(), job_id)

    assert refused.value.message == sentence


async def test_what_cannot_be_run_again_is_refused_with_the_reason(world: World) -> None:
    """No such job; a user without a wallet; tokens that were never returned, which the audit mends first."""
    job_id = await failed_job(world)
    runtime = world.operators_runtime()

    async def why(job_id: str) -> str:
        with pytest.raises(JobRefused) as refused:
            await retry(runtime, job_id)
        return refused.value.message

    assert await why("no-such-job") == "There is no such job."
    await world.firestore.document(f"wallets/alice/ledger/{job_id}.refund").delete()
    assert await why(job_id) == "Its tokens were not returned; run the audit with --repair first."
    await world.firestore.document("wallets/alice").delete()
    assert await why(job_id) == "Its user has no wallet."
    await world.firestore.document(f"ai_jobs/{job_id}").update({"userId": DELETE_FIELD})
    assert await why(job_id) == "Its document names no user."


async def test_two_operators_and_two_ticks_run_it_again_once(world: World) -> None:
    """The first commit queues it; the other operators find it queued, or already on its way."""
    job_id = await failed_job(world)
    runtimes = [world.operators_runtime() for _ in range(2)]

    await asyncio.gather(*(retry(runtime, job_id) for runtime in runtimes), world.tick(), world.tick())
    await world.finish()

    assert (await world.job(job_id))["attempts"] == 1
    assert len(world.provider.batches) == 2
    await assert_promises_kept(world)
