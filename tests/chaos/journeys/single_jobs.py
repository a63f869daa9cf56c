"""Jobs one by one: in batches, in real time, and from one to the other."""

import asyncio
from datetime import timedelta

from local.openai_server import BatchFault, Reply, ReplyRule, RequestFault
from tests.chaos.journeys.journey import MOST_QUESTIONS, journey
from tests.chaos.journeys.stage import TICK_MINUTES, Stage


@journey()
async def single(stage: Stage) -> None:
    """One job, from its event to its answer."""
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.finish()


@journey()
async def twice(stage: Stage) -> None:
    """One job whose event is delivered twice, and two ticks at once."""
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.trigger("alice-1")
    await stage.world.provider.settled()
    await asyncio.gather(stage.tick(), stage.tick())
    await stage.finish()


@journey()
async def many(stage: Stage) -> None:
    """Five jobs of two users and two types, one with an uploaded image: one goes at once, four by the tick."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 5)
    await world.give("bob", 5)
    photo = {"imageUri": await world.upload("bob")}
    await stage.write("alice", "alice-1")
    await stage.write("bob", "bob-1", type="photo_rating", input=photo)
    await stage.write("alice", "alice-2", priority=9)
    await stage.write("bob", "bob-2")
    await stage.write("alice", "alice-3")
    await stage.finish()


@journey(submissions=2, answers=2)
async def retry(stage: Stage) -> None:
    """One job whose first answer is not valid, and whose second is."""
    stage.world.provider.faults.add(ReplyRule(reply=Reply(content="no JSON"), times=1))
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.finish()


@journey(submissions=2)
async def expired(stage: Stage) -> None:
    """Five jobs; the batch of four of them expires with two answered, and the other two are sent again."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 6)
    await stage.write("alice", "alice-1")
    world.provider.hold("in_progress", answered=2)
    for number in range(2, 6):
        await stage.write("alice", f"alice-{number}")
    await stage.tick()
    await stage.expire_held(answered=2)
    await stage.finish()


@journey()
async def refund(stage: Stage) -> None:
    """Three jobs of two users; a batch of two expires unanswered, and they are refunded. A fourth was never paid."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_MAX_ATTEMPTS="1")
    await world.give("alice", 2)
    await world.give("bob", 1)
    await stage.write("alice", "alice-1")
    world.provider.hold("in_progress")
    await stage.write("alice", "alice-2")
    await stage.write("bob", "bob-1")
    await stage.write("carol", "carol-1")
    await stage.tick()
    await stage.expire_held(answered=0)
    await stage.finish()


@journey()
async def full(stage: Stage) -> None:
    """One job that the provider's full queue does not take at first; it waits, and loses no attempt."""
    stage.world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded"))
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.finish()


@journey()
async def not_its_fault(stage: Stage) -> None:
    """Six jobs; their lines, and then their next batch, meet the provider's and the account's trouble."""
    world = stage.world
    replies = (
        Reply.http_error(400, "invalid_image_url", "Timeout while downloading the image."),
        *(Reply.nothing(), Reply.http_error(404, "model_not_found"), Reply.http_error(402), Reply.http_error(499)),
        Reply.line_error("a code that is new"),
    )
    for number, reply in enumerate(replies):
        world.provider.faults.add(ReplyRule(reply, custom_id=f"job-alice-{number}", times=1))
    await world.give("alice", len(replies))
    await stage.gather_in_one_batch(*(("alice", f"alice-{number}") for number in range(len(replies))))
    await world.provider.settled()
    world.provider.faults.add(BatchFault(fail_code="billing_hard_limit_reached"))
    await stage.finish()


@journey()
async def two_shards(stage: Stage) -> None:
    """Four jobs, one declined and refunded; their output is cut in two, and the last worker closes the batch."""
    world = stage.world
    await world.open_pubsub()
    world.set_env(NIGHTSHIFT_SHARD_LINES="2")
    world.provider.faults.add(ReplyRule(reply=Reply.refuses("No."), custom_id="job-bob-1"))
    await world.give("alice", 3)
    await world.give("bob", 1)
    for uid, job_id in (("alice", "alice-1"), ("alice", "alice-2"), ("bob", "bob-1"), ("alice", "alice-3")):
        await world.write(uid, job_id)
    world.pass_time(minutes=TICK_MINUTES)
    await stage.tick()
    await stage.tick()
    await stage.work()
    await stage.finish()


@journey()
async def webhook(stage: Stage) -> None:
    """One job, and the provider says when its batch has ended: no tick is needed while nothing goes wrong."""
    await stage.world.open_pubsub()
    await stage.world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.announce()
    await stage.finish()


@journey(submissions=2, answers=2)
async def webhook_again(stage: Stage) -> None:
    """The first answer of one job is not valid: the worker that hears of its batch's end sends it again at once."""
    world = stage.world
    await world.open_pubsub()
    world.provider.faults.add(ReplyRule(reply=Reply(content="no JSON"), times=1))
    await world.give("alice", 3)
    await stage.write("alice", "alice-1")
    for _ in range(2):
        await stage.announce()
    await stage.finish()


@journey(submissions=MOST_QUESTIONS)
async def instant(stage: Stage) -> None:
    """One instant job, answered by its own event."""
    await stage.world.give("alice", 5)
    await stage.write("alice", "alice-1", speed="instant")
    await stage.finish()


@journey(submissions=MOST_QUESTIONS)
async def instant_retry(stage: Stage) -> None:
    """Three instant jobs of two users: one is put off and swept up, one is declined, one was written unheard."""
    world = stage.world
    limited = RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "30"})
    world.provider.faults.add(limited, ReplyRule(reply=Reply.refuses("No."), text="unspeakable", times=None))
    await world.give("alice", 10)
    await world.give("bob", 5)
    await stage.write("alice", "alice-1", speed="instant")
    await stage.write("bob", "bob-1", speed="instant", input={"text": "unspeakable"})
    await world.write("alice", "alice-2", speed="instant")
    await stage.sweep()
    world.pass_time(minutes=3)
    # To another instance: for this one the half minute for which the provider wants no call is a real one.
    world.set_env()
    await asyncio.gather(stage.sweep(), stage.sweep())
    await stage.finish()


@journey(submissions=MOST_QUESTIONS)
async def deadline(stage: Stage) -> None:
    """Three jobs; two have a deadline, one in a batch that the provider holds, one queued; then the batch is late."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 5)
    world.provider.hold("in_progress")
    soon = world.now() + timedelta(minutes=30)
    await stage.write("alice", "alice-1", deadline=soon)
    await stage.write("alice", "alice-2", deadline=soon)
    await stage.write("alice", "alice-3")
    world.pass_time(minutes=29)
    await stage.sweep()
    world.provider.release()
    await stage.finish()
