"""What an operator changes by `./nightshift`."""

import asyncio

from local.openai_server import Reply, ReplyRule, RequestFault
from tests.chaos.journeys.journey import MOST_QUESTIONS, journey
from tests.chaos.journeys.stage import Stage


@journey()
async def cancel_job(stage: Stage) -> None:
    """Two jobs, one of them cancelled by an operator while its line is ingested, and once more after that."""
    await stage.world.give("alice", 2)
    await stage.gather_in_one_batch(("alice", "alice-1"), ("alice", "alice-2"))
    await stage.world.provider.settled()
    await asyncio.gather(stage.tick(), stage.operate("cancel", "job", "alice-1"))
    await stage.operate("cancel", "job", "alice-1")
    await stage.finish()


@journey()
async def cancel_waiting(stage: Stage) -> None:
    """Three jobs that lie in no batch are cancelled: one is created, one queued, and one's event comes meanwhile."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 4)
    await stage.write("alice", "alice-1")
    await world.write("alice", "alice-2")
    await stage.write("alice", "alice-3")
    await world.write("alice", "alice-4")
    for job_id in ("alice-2", "alice-3"):
        await stage.operate("cancel", "job", job_id)
    await asyncio.gather(stage.trigger("alice-4"), stage.operate("cancel", "job", "alice-4"))
    await stage.finish()


@journey()
async def retry_job(stage: Stage) -> None:
    """Two jobs that failed are run again: one was rejected and refunded, one was refused for want of tokens."""
    world = stage.world
    too_long = Reply.http_error(400, "context_length_exceeded")
    world.provider.faults.add(ReplyRule(reply=too_long, custom_id="job-alice-1", times=1))
    await world.give("alice", 1)
    await stage.write("alice", "alice-1")
    await stage.write("bob", "bob-1")
    await stage.tick()
    await world.give("bob", 1)
    for job_id in ("alice-1", "bob-1"):
        await stage.operate("retry", "job", job_id)
    await stage.finish()


@journey(submissions=MOST_QUESTIONS)
async def operate_instant(stage: Stage) -> None:
    """Two instant jobs: one was declined and is run again, one waits and is cancelled while a sweep takes it up."""
    world = stage.world
    world.provider.faults.add(ReplyRule(reply=Reply.refuses("No."), times=1))
    await world.give("alice", 10)
    await stage.write("alice", "alice-1", speed="instant")
    world.provider.faults.add(
        RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "30"}, times=1)
    )
    await stage.write("alice", "alice-2", speed="instant")
    world.pass_time(minutes=3)
    # As in `instant_retry`.
    world.set_env()
    await asyncio.gather(stage.sweep(), stage.operate("cancel", "job", "alice-2"))
    await stage.operate("retry", "job", "alice-1")
    await stage.sweep()
    await stage.finish()


@journey()
async def cancel_batch(stage: Stage) -> None:
    """Three jobs of two users; their batch is cancelled by an operator with one answered, and two are refunded."""
    await stop_batch(stage, "cancel")


@journey()
async def retry_batch(stage: Stage) -> None:
    """Three jobs of two users; their batch is stopped by an operator with one answered, and two are sent again."""
    await stop_batch(stage, "retry")


async def stop_batch(stage: Stage, command: str) -> None:
    world = stage.world
    world.provider.hold("in_progress", answered=1)
    await world.give("alice", 2)
    await world.give("bob", 1)
    for batch_id in await stage.gather_in_one_batch(("alice", "alice-1"), ("alice", "alice-2"), ("bob", "bob-1")):
        await stage.operate(command, "batch", batch_id)
    world.provider.release()
    await stage.finish()


@journey()
async def cancel_unsent(stage: Stage) -> None:
    """One job, whose batch the provider does not take in now; an operator cancels it before it ever gets there."""
    world = stage.world
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 1)
    await stage.write("alice", "alice-1")
    for batch in await world.batches():
        await stage.operate("cancel", "batch", batch["id"])
    await stage.finish()


@journey()
async def reprocess(stage: Stage) -> None:
    """One job, answered; an operator has it asked anew for free, and repeats the run if it was cut short."""
    await stage.world.give("alice", 1)
    await stage.write("alice", "alice-1")
    await stage.finish()
    for _ in range(2):
        await stage.operate("reprocess", "--type", "waste_classification", "--run", "night")
    await stage.finish()
