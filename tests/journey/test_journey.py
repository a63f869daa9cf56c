"""The whole journey, from the app's write to the answer, through the real functions."""

from tests.support.promises import assert_promises_kept
from tests.support.world import MODEL, World


async def test_a_text_job_is_charged_answered_and_notified(world: World) -> None:
    """One job: one token, one validated result on the job itself, one classification, one notification."""
    await world.give("alice", 3)

    job_id = await world.submit("alice", input={"text": "an empty glass bottle"})

    job = await world.job(job_id)
    assert job["status"] == "processing"
    assert job["tokensSpent"] == 1
    assert job["lane"] == f"openai:/v1/chat/completions:{MODEL}"
    assert job["attempts"] == 1

    await world.finish()

    job = await world.job(job_id)
    assert job["status"] == "completed"
    assert set(job["result"]) >= {"itemName", "category", "material", "confidence"}
    assert job["usage"]["inputTokens"] > 0
    assert job["costUsd"] > 0
    assert job["provider"] == "openai"
    assert job["queuedAt"] <= job["submittedAt"] <= job["completedAt"] <= job["updatedAt"]
    assert (await world.read(f"classifications/{job_id}"))["result"] == job["result"]
    notification = await world.read(f"notifications/{job_id}")
    assert (notification["type"], notification["read"], notification["userId"]) == ("job_completed", False, "alice")
    assert (await world.read("wallets/alice"))["balance"] == 2
    await assert_promises_kept(world)
