"""In which order queued jobs are taken: by priority, which ages, and by turns where not all can be sent."""

import random
from datetime import UTC, datetime, timedelta

from cli.erasure.documents import forget_in_lanes
from nightshift.admission.admit import admit
from nightshift.batches.queue import Turns, queued
from nightshift.jobs.documents import job_of
from nightshift.jobs.request import request_line
from nightshift.pricing.prices import batch_cost_usd
from nightshift.runtime import Runtime
from nightshift.tick.tick import tick
from nightshift.values.lane import Lane
from tests.support.promises import assert_promises_kept
from tests.support.world import World

LANE = Lane(provider="openai", endpoint="/v1/chat/completions", model="gpt-5-mini")
BEGINNING = datetime(2025, 6, 19, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def _put(world: World, job_id: str, priority: int, queued_at: datetime, uid: str = "alice") -> None:
    """A queued job as versions before the aging wrote it, too: it has no field for it."""
    fields = {"status": "queued", "lane": str(LANE), "priority": priority, "queuedAt": queued_at, "userId": uid}
    await world.firestore.document(f"ai_jobs/{job_id}").set(fields)


async def _take(runtime: Runtime, number: int, turns: Turns | None = None) -> list[str]:
    """The next jobs; they are queued no more."""
    taken = [job.job_id async for jobs, _ in queued(runtime, LANE, number, 3, turns) for job in jobs]
    for job_id in taken:
        await runtime.firestore.document(f"ai_jobs/{job_id}").update({"status": "processing"})
    return taken


async def test_a_point_of_priority_is_worth_four_hours_of_waiting(world: World) -> None:
    """In whatever order they were written; pages and the mark of the last one are those of one queue."""
    randomness = random.Random(13)  # noqa: S311 - for a test
    served = {}
    for number in range(40):
        priority, queued_at = (
            randomness.randint(1, 10),
            BEGINNING + randomness.randint(0, 50_000) * timedelta(seconds=7),
        )
        served[f"job-{number}"] = queued_at - priority * 4 * HOUR
        await _put(world, f"job-{number}", priority, queued_at)

    pages = [page async for page in queued(world.operators_runtime(), LANE, 38, 7)]

    in_order = [job.job_id for jobs, _ in pages for job in jobs]
    assert in_order == sorted(served, key=lambda job_id: served[job_id])[:38]
    assert [(len(jobs), is_last) for jobs, is_last in pages] == [*[(7, False)] * 5, (3, True)]


async def test_no_flow_of_higher_priority_keeps_a_job_waiting_for_ever(world: World) -> None:
    """Twelve jobs of priority 10 come each day, and twelve are sent: an older job of priority 5 goes on the second."""
    runtime = world.operators_runtime()
    await _put(world, "patient", 5, BEGINNING)
    await _put(world, "humble", 1, BEGINNING)
    sent_on: dict[str, int] = {}
    for day in range(4):
        for number in range(12):
            await _put(world, f"pushing-{day}-{number}", 10, BEGINNING + day * DAY + number * HOUR)
        sent_on |= dict.fromkeys(await _take(runtime, 12), day)

    assert sent_on["patient"] == 1
    assert sent_on["humble"] == 2


async def test_with_turns_no_user_waits_for_all_jobs_of_another(world: World) -> None:
    """A batch of three, a user with many jobs of priority 10, six with one of priority 1: all go in a few batches."""
    runtime = world.operators_runtime()
    for number in range(60):
        await _put(world, f"mass-{number:02}", 10, BEGINNING, "mallory")
    honest = [f"user-{number}" for number in range(6)]
    for uid in honest:
        await _put(world, f"job-of-{uid}", 1, BEGINNING + DAY, uid)
    turns, sent = Turns(), list[str]()
    for _ in range(6):
        taken = await _take(runtime, 3, turns)
        turns = Turns.read(turns.taken(taken).fields())
        sent += taken

    assert len(sent) == len(set(sent)) == 18
    assert {f"job-of-{uid}" for uid in honest} <= set(sent)
    # Half of the places go by age.
    assert sum(job_id.startswith("mass") for job_id in sent) >= 9


async def test_a_batch_of_one_goes_by_age_and_by_turns_in_turn(world: World) -> None:
    """However small the room is, neither starves the other."""
    runtime = world.operators_runtime()
    for number in range(9):
        await _put(world, f"mass-{number}", 10, BEGINNING, "mallory")
    await _put(world, "one", 1, BEGINNING + DAY, "zoe")
    turns, sent = Turns(), list[str]()
    for _ in range(4):
        taken = await _take(runtime, 1, turns)
        turns = Turns.read(turns.taken(taken).fields())
        sent += taken

    assert "one" in sent


async def test_one_user_alone_has_no_turns(world: World) -> None:
    """There the order is that of the priorities, and nothing is written about it."""
    runtime, turns = world.operators_runtime(), Turns()
    for number, priority in enumerate((1, 5, 10, 9)):
        await _put(world, f"job-{priority}", priority, BEGINNING + number * HOUR)

    assert await _take(runtime, 3, turns) == ["job-10", "job-9", "job-5"]
    assert turns.fields() == {}


async def test_a_day_of_a_small_budget_is_shared(world: World) -> None:
    """The user who came first with many jobs has half of it; the batch and whose turn comes next are one commit."""
    await world.give("carol", 1)
    runtime = world.operators_runtime()
    await admit(runtime, await world.write("carol"))
    await tick(runtime)
    await world.finish()
    (first,) = await world.batches()
    for uid, number in (("mallory", 12), ("bob", 1), ("alice", 1)):
        await world.give(uid, number)
        for _ in range(number):
            await admit(runtime, await world.write(uid, priority=10 if uid == "mallory" else 1))
    world.provider.hold("in_progress")
    # It reaches for a batch of some jobs, and not for all.
    one_usd = await _one_usd(world, runtime)
    await tick(world.operators_runtime(daily_budget_usd=first["budgetUsd"] + 4.5 * one_usd))

    assert [batch["jobCount"] for batch in await world.batches()] == [1, 4]
    sent = await world.jobs("processing")
    assert {job["userId"] for job in sent.values()} == {"mallory", "bob", "alice"}
    lane = (await world.read(f"lanes/{LANE.document_id}"))["turns"]
    assert lane["isFirst"] is True
    await forget_in_lanes(runtime, lane["after"])
    assert "turns" not in await world.read(f"lanes/{LANE.document_id}"), "an erased user is not remembered"
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def _one_usd(world: World, runtime: Runtime) -> float:
    """What one job of this kind is estimated to cost."""
    document = await world.firestore.document(f"ai_jobs/{next(iter(await world.jobs('queued')))}").get()
    line = await request_line(runtime, LANE, job_of(document))
    return batch_cost_usd("openai", "gpt-5-mini", line.expected) or 0.0
