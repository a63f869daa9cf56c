"""How jobs gather into batches: coalescing, order, limits, lanes."""

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest

from nightshift.batches import assemble
from nightshift.batches.request_page import RequestPage, request_page
from nightshift.batches.transitions import HeldBatch, create_batch
from nightshift.database.commits import Commit
from tests.support.patience import patience
from tests.support.pause import pause_commit
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def custom_ids(world: World, batch_id: str) -> list[str]:
    """The jobs of a batch, in the order of its input file."""
    lines = (await world.artifact(batch_id, "input.jsonl")).splitlines()
    return [json.loads(line)["custom_id"].removeprefix("job-") for line in lines]


async def test_a_burst_becomes_two_batches(world: World) -> None:
    """The first job of a quiet lane goes at once; what comes within the window goes together, by the tick."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    await world.give("alice", 20)

    for _ in range(20):
        await world.submit("alice")
    assert [batch["jobCount"] for batch in await world.batches()] == [1]
    await world.finish()

    assert [batch["jobCount"] for batch in await world.batches()] == [1, 19]
    await assert_promises_kept(world)


async def test_after_the_window_a_trigger_takes_all_that_has_gathered(world: World) -> None:
    """No tick is needed under steady load: the next leader takes everybody along."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    await world.give("alice", 20)
    for _ in range(4):
        await world.submit("alice")

    world.pass_time(seconds=16)
    await world.submit("alice")

    assert [batch["jobCount"] for batch in await world.batches()] == [1, 4]


async def test_the_lines_of_the_next_jobs_are_built_while_a_page_is_claimed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim waits for the database, and the building of lines is computing: neither waits for the other."""
    world.bound(page_jobs=2)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 6)
    first, *_ = [await world.submit("alice") for _ in range(5)]
    built, claims = list[int](), list[int]()
    is_built = asyncio.Event()

    async def building(*args: Any) -> RequestPage:
        page = await request_page(*args)
        built.append(len(page.lines))
        if len(built) == 2:
            is_built.set()
        return page

    async def claiming(*args: Any, **options: Any) -> HeldBatch:
        held = await create_batch(*args, **options)
        claims.append(held.batch.job_count)
        return held

    monkeypatch.setattr(assemble, "request_page", building)
    monkeypatch.setattr(assemble, "create_batch", claiming)
    claim = pause_commit(monkeypatch, lambda writes: "/lanes/" in writes, "before")

    async with patience():
        ticking = asyncio.create_task(world.tick())
        await claim.begun()
        await is_built.wait()
        assert (built, claims) == ([2, 2], [])
        claim.end()
        assert await ticking == 200
    await world.finish()

    sent = [ids for batch in await world.batches() for ids in await custom_ids(world, batch["id"])]
    assert len(sent) == len(set(sent)) == 5
    assert first in sent
    await assert_promises_kept(world)


async def test_a_burst_widens_the_window_and_a_quiet_lane_has_its_own_again(world: World) -> None:
    """Where a page of jobs or more was waiting, the next leader waits twice as long: fewer and larger batches."""
    world.bound(page_jobs=2)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    await world.give("alice", 30)

    async def submit_after(*seconds: float) -> list[int]:
        for pause in seconds:
            world.pass_time(seconds=pause)
            before = len(await world.batches())
            await world.submit("alice")
            if len(await world.batches()) > before:
                # The server's clock has not moved along with ours.
                (lane,) = await world.documents("lanes")
                await world.firestore.document(f"lanes/{lane}").update({"lastSubmittedAt": world.now()})
        return [batch["jobCount"] for batch in await world.batches()]

    assert await submit_after(0) == [1]
    assert await submit_after(1, 1, 14) == [1, 3], "a page and more was waiting"
    assert await submit_after(16) == [1, 3], "the window is 30 seconds now"
    assert await submit_after(15) == [1, 3, 2]
    assert await submit_after(31, 20) == [1, 3, 2], "and 60 seconds now"
    await world.finish()
    assert await submit_after(61) == [1, 3, 2, 2, 1], "a lone job ends the burst"
    assert await submit_after(16) == [1, 3, 2, 2, 1, 1]
    await world.finish()
    await assert_promises_kept(world)


async def test_simultaneous_triggers_never_put_a_job_into_two_batches(world: World) -> None:
    """With no window at all, twenty triggers at once still claim every job once."""
    await world.give("alice", 20)
    job_ids = [await world.write("alice") for _ in range(20)]

    assert set(await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids))) == {200}
    await world.finish()

    lines = [job_id for batch in await world.batches() for job_id in await custom_ids(world, batch["id"])]
    assert sorted(lines) == sorted(job_ids)
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}
    await assert_promises_kept(world)


async def test_a_full_batch_whose_claim_is_refused_is_gathered_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of the page was touched between its reading and the claim: the same tick takes it all the same."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_MAX_BATCH_REQUESTS="2")
    await world.give("alice", 5)
    await world.submit("alice")
    job_ids = [await world.submit("alice") for _ in range(2)]
    real = Commit.send
    touched: list[str] = []

    async def racing(commit: Commit) -> datetime:
        if "/lanes/" in str(commit.writes) and not touched:
            touched.append(job_ids[0])
            await world.firestore.document(f"ai_jobs/{job_ids[0]}").update({"note": "by hand"})
        return await real(commit)

    monkeypatch.setattr(Commit, "send", racing)

    assert await world.tick() == 200

    assert touched
    assert {
        job_id: job["status"] for job_id, job in (await world.jobs()).items() if job_id in job_ids
    } == dict.fromkeys(job_ids, "processing")
    await world.finish()
    await assert_promises_kept(world)


async def test_higher_priority_goes_first_and_within_it_the_older(world: World) -> None:
    """The order of the input file is the order of the queue; a job without a priority has 5."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15")
    await world.give("alice", 20)
    await world.submit("alice", "leader")
    for job_id, priority in (("low", 1), ("older", None), ("younger", 5), ("high", 10)):
        await world.submit("alice", job_id, priority=priority)

    await world.finish()

    assert await custom_ids(world, (await world.batches())[1]["id"]) == ["high", "older", "younger", "low"]


async def test_a_batch_is_cut_by_requests(world: World) -> None:
    """Seven waiting jobs with room for three make batches of three, three and one."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15", NIGHTSHIFT_MAX_BATCH_REQUESTS="3")
    await world.give("alice", 8)
    for _ in range(8):
        await world.submit("alice")

    await world.finish()

    assert [batch["jobCount"] for batch in await world.batches()] == [1, 3, 3, 1]
    await assert_promises_kept(world)


async def test_a_batch_is_cut_by_bytes_and_what_can_never_fit_fails_alone(world: World) -> None:
    """No input file is larger than the limit; a single request above it is refunded."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="15", NIGHTSHIFT_MAX_BATCH_BYTES="9000")
    await world.give("alice", 9)
    await world.submit("alice")
    huge = await world.submit("alice", input={"text": "x" * 7_500})
    for _ in range(5):
        await world.submit("alice")

    await world.finish()

    assert (await world.job(huge))["errorCode"] == "invalid_input"
    sizes = [len(await world.artifact(batch["id"], "input.jsonl")) for batch in await world.batches()]
    assert len(sizes) > 2
    assert max(sizes) <= 9000
    await assert_promises_kept(world)


async def test_no_more_tokens_are_in_flight_than_allowed(world: World) -> None:
    """With a limit on enqueued tokens, jobs wait until earlier batches are back; none starves."""
    world.set_env(NIGHTSHIFT_MAX_ENQUEUED_TOKENS="2000")
    await world.give("alice", 6)
    world.provider.hold("in_progress")
    for _ in range(6):
        await world.submit("alice")
    await world.provider.settled()

    in_flight = sum(batch["estimatedTokens"] for batch in await world.open_batches())
    assert 0 < in_flight <= 2000
    assert await world.jobs("queued")

    world.provider.release()
    await world.finish()
    assert len(await world.jobs("completed")) == 6
    await assert_promises_kept(world)


async def test_each_model_has_its_own_lane(world: World) -> None:
    """Jobs queued before the model was changed still go out, in a batch of their own model."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 4)
    for _ in range(2):
        await world.submit("alice")
    world.set_env(NIGHTSHIFT_MODEL="gpt-5-nano")
    for _ in range(2):
        await world.submit("alice")

    await world.finish()

    models = sorted((batch["model"], batch["jobCount"]) for batch in await world.batches())
    assert models == [("gpt-5-mini", 1), ("gpt-5-mini", 1), ("gpt-5-nano", 1), ("gpt-5-nano", 1)]
    await assert_promises_kept(world)


async def test_two_ticks_at_once_do_everything_once(world: World) -> None:
    """Five ticks at the same moment rescue, submit and ingest as one would."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 30)
    for _ in range(10):
        await world.submit("alice")
    for _ in range(10):
        await world.write("alice")
    world.pass_time(seconds=121)

    for _ in range(6):
        assert set(await asyncio.gather(*(world.tick() for _ in range(5)))) == {200}
        await world.provider.settled()

    assert len(await world.jobs("completed")) == 20
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}
    await assert_promises_kept(world)


async def test_a_poll_of_an_unchanged_batch_writes_nothing(world: World) -> None:
    """While the provider works, ticks leave the batch's document as it is."""
    await world.give("alice", 1)
    world.provider.hold("in_progress")
    await world.submit("alice")
    await world.provider.settled()
    batch = (await world.batches())[0]
    before = (await world.firestore.document(f"ai_batches/{batch['id']}").get()).update_time

    for _ in range(3):
        assert await world.tick() == 200

    assert (await world.firestore.document(f"ai_batches/{batch['id']}").get()).update_time == before


async def test_a_tick_stops_when_its_time_is_up(world: World) -> None:
    """A tick without time left begins nothing; the next one has it all to do, and does it."""
    await world.give("alice", 1)
    job_id = await world.write("alice")
    world.pass_time(seconds=121)
    world.set_env(NIGHTSHIFT_TICK_SECONDS="0.000001")

    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "created"

    world.set_env(NIGHTSHIFT_TICK_SECONDS="480")
    await world.finish()
    assert (await world.job(job_id))["status"] == "completed"


async def test_what_comes_while_a_leader_submits_waits_for_the_next(world: World) -> None:
    """In a burst of simultaneous triggers one batch goes out; the rest gathers until the window is over."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 30)
    job_ids = [await world.write("alice") for _ in range(30)]

    assert set(await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids))) == {200}

    assert len(await world.batches()) == 1
    await world.finish()
    assert len(await world.batches()) <= 2, "who was charged before the leader looked went along"
    assert len(await world.jobs("completed")) == 30
    await assert_promises_kept(world)


async def test_jobs_that_are_refused_in_the_queue_do_not_hold_up_those_behind_them(world: World) -> None:
    """A whole page of jobs without their image fails, and what waits behind it goes in the same tick."""
    world.bound(page_jobs=2)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 9)
    photo = await world.upload("alice")
    await world.submit("alice")
    for _ in range(4):
        await world.submit("alice", type="photo_rating", priority=9, input={"imageUri": photo})
    behind = await world.submit("alice")
    await world.delete_upload(photo)

    assert await world.tick() == 200

    assert (await world.job(behind))["status"] == "processing"
    await world.finish()
    assert len(await world.jobs("failed")) == 4
    await assert_promises_kept(world)
