"""What users do beside writing jobs: they ask the API, earn tokens, hear of answers, and are erased."""

import asyncio
from datetime import timedelta

from local.openai_server import Reply, ReplyRule
from nightshift.api.creating import id_for
from nightshift.earning import claims
from nightshift.providers.registry import lane_of
from tests.chaos.journeys.journey import MOST_QUESTIONS, journey
from tests.chaos.journeys.stage import TICK_MINUTES, TICKS, Stage
from tests.support.messages import telling
from tests.support.world import World


@journey()
async def hot_wallet(stage: Stage) -> None:
    """Six jobs of one wallet at once, paid for in groups, four of which it covers; the fifth and sixth are refused."""
    world = stage.world
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 4)
    job_ids = [await world.write("alice", f"alice-{number}") for number in range(1, 7)]
    await asyncio.gather(*(stage.trigger(job_id) for job_id in job_ids))
    await stage.finish()


@journey(submissions=2)
async def by_api(stage: Stage) -> None:
    """By the API: submission is stopped, a job is created, ordered to be sent, taken back from its batch, sent again.

    A second job failed before, and is run again by an order. Each request is sent twice under one key.
    """
    world = stage.world
    await world.open_pubsub()
    rejected = Reply.http_error(400, "context_length_exceeded")
    world.provider.faults.add(ReplyRule(reply=rejected, custom_id="job-alice-1", times=1))
    await world.give("alice", 3)
    await stage.write("alice", "alice-1")
    await stage.tick()
    await stage.ask("/scheduler/stop", {}, "stop")
    world.provider.hold("in_progress")
    await stage.ask("/jobs", {"type": "waste_classification", "input": {"text": "a bottle"}}, "job", admin=False)
    await stage.trigger(id_for("alice", "job", "job"))
    await stage.ask("/queue/submit", {}, "submit")
    await stage.work()
    for batch in await world.open_batches():
        await stage.ask(f"/batches/{batch['id']}/retry", {}, "again")
    await stage.work()
    await stage.ask("/scheduler/start", {}, "start")
    world.provider.release()
    await stage.ask("/jobs/retry", {"code": "provider_rejected"}, "retry")
    await stage.work()
    await stage.finish()


@journey()
async def order_for_all(stage: Stage) -> None:
    """Jobs of three users, two of whom wait in the lane after trouble: an admin orders that all are sent."""
    world, until = stage.world, stage.world.now() + timedelta(hours=2)
    await world.open_pubsub()
    lane = lane_of("gpt-5-mini")
    fields = {"lane": str(lane), "usersBackOff": {"alice": until, "bob": until}}
    await world.firestore.document(f"lanes/{lane.document_id}").set(fields)
    await stage.ask("/scheduler/stop", {}, "stop")
    for uid in ("alice", "bob", "carol"):
        await world.give(uid, 1)
        await stage.write(uid, f"{uid}-1")
    await stage.ask("/queue/submit", {}, "submit")
    await stage.work()
    await stage.ask("/scheduler/start", {}, "start")
    await stage.finish()


@journey(erases=True)
async def erase(stage: Stage) -> None:
    """Of two users in a live batch one is erased, with an upload, and a job that was answered before."""
    world = stage.world
    await world.give("alice", 4)
    await world.give("bob", 1)
    await world.upload("alice")
    await stage.write("alice", "alice-1")
    await stage.tick()
    world.provider.hold("in_progress")
    await stage.gather_in_one_batch(("alice", "alice-2"), ("bob", "bob-1"))
    await world.write("alice", "alice-3")
    await stage.operate("erase", "alice", "--keep-account")
    world.provider.release()
    await _erased_in_the_end(stage)


@journey(erases=True)
async def erase_bulk(stage: Stage) -> None:
    """A user is erased who has a bulk job with its files, one that the provider has in part, and one that is quoted."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 9)
    source = {"uri": await world.upload("alice", "bulk/list.csv", b"text\njar\ntin\nbox\n")}
    await stage.write_bulk("bulk-1", source=source, maxTokens=9)
    await stage.finish()
    world.provider.hold("in_progress", answered=1)
    await stage.write_bulk("bulk-2", source=source, maxTokens=9)
    await world.provider.settled()
    await stage.write_bulk("bulk-3", source=source)
    await stage.operate("erase", "alice", "--keep-account")
    world.provider.release()
    await _erased_in_the_end(stage)


async def _erased_in_the_end(stage: Stage) -> None:
    """Ask again until all that is alice's could be erased; then nothing of hers is left."""
    world = stage.world
    for _ in range(TICKS):
        await stage.tick()
        world.pass_time(minutes=TICK_MINUTES)
        if await stage.operate("erase", "alice", "--keep-account") == 0:
            break
    await stage.finish()
    await _assert_erased(world, "alice")


async def _assert_erased(world: World, uid: str) -> None:
    for collection in ("ai_jobs", "bulk_jobs", "classifications", "notifications"):
        owners = {fields["userId"] for fields in (await world.documents(collection)).values()}
        assert uid not in owners, f"{collection} hold nothing of {uid}"
    assert not await world.read(f"wallets/{uid}")
    assert not await world.documents(f"wallets/{uid}/ledger")
    runtime = world.operators_runtime()
    assert not await asyncio.to_thread(lambda: list(runtime.uploads.list_blobs(prefix=f"users/{uid}/")))
    assert not await asyncio.to_thread(lambda: list(runtime.artifacts.list_blobs(prefix="bulk/")))


@journey()
async def earn(stage: Stage) -> None:
    """A user whose job is answered logs in, turns points into tokens, and claims an achievement."""
    world = stage.world
    world.set_env(NIGHTSHIFT_ECONOMY="true")
    await world.give("alice", 1)
    for number in range(9):
        entry = {"points": 10, "kind": "answer", "jobId": f"old-{number}", "type": "waste_classification"}
        await world.firestore.document(f"economy/alice/points/old-{number}").set(entry)
    before = {"points": 90, "answered": 9, "answeredOf": {"waste_classification": 9}}
    await world.firestore.document("economy/alice").set(before)
    await stage.write("alice", "alice-1")
    await stage.finish()
    await stage.claim(lambda runtime: claims.daily_login(runtime, "alice", "Asia/Kolkata"))
    await stage.claim(lambda runtime: claims.convert(runtime, "alice", request_key="one"))
    await stage.claim(lambda runtime: claims.claim_achievement(runtime, "alice", "ten_answers"))
    await stage.traffic.land()
    economy = await world.read("economy/alice")
    assert (economy["points"], economy["answered"]) == (0, 10), "points come once, and are taken once"
    assert (await world.read("wallets/alice"))["totalEarned"] == 1 + 50 + 2 + 1 + 5, "each token is given once"


@journey(submissions=MOST_QUESTIONS, answers=2)
async def told(stage: Stage) -> None:
    """Two answers of a user who hears of them by e-mail and push; the event of the second message is lost."""
    world = stage.world
    async with telling(world) as messages:
        await messages.user()
        await messages.wants(email=True, push=True)
        await messages.device("phone")
        await stage.write("alice", "alice-1", speed="instant")
        await stage.deliver("alice-1.job_completed")
        await stage.write("alice", "alice-2", speed="instant")
        await stage.finish()
        for _ in range(TICKS):
            states = await messages.statuses()
            if set(states) <= {"sent", "doubtful"}:
                break
            world.pass_time(minutes=30)
            await stage.tick()
        assert set(states) <= {"sent", "doubtful"}, f"each message has come to rest: {states}"
        told = messages.ends_told()
        assert max(told) <= 2, "no end has two messages"
        codes = [message.get("codes") for message in (await world.documents("outbox")).values()]
        assert min(told) == 2 or "doubtful" in states or any(codes), "what was not told has its reason on record"
