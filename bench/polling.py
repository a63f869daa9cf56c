"""What one tick costs while 500 batches are open and none of them has changed.

The batches are made by the functions themselves: 500 jobs are admitted by their triggers, and one tick submits them
with one request in each batch. The provider keeps them all in progress.
"""

import statistics
import time

import pytest
from google.cloud.firestore import FieldFilter
from openai import AsyncOpenAI

from bench.billed import Billed
from bench.counting import bill, counter
from bench.measured import Aim, Measured, Measurement, check
from tests.support.world import API_KEY, World

_BATCHES = 500
_TIMES = 5
_CALLS_PER_TICK = Aim(sign="≤", bound=10)


async def ask() -> Measured:
    """Measure the tick, and the same listing and the same query bare."""
    with pytest.MonkeyPatch.context() as environment, counter():
        async with World(environment).running() as world:
            await _open_batches(world)
            before = await _change_times(world)
            ticks = [await _tick(world) for _ in range(_TIMES)]
            check(await _change_times(world) == before, "A tick changed a batch on which nothing was new.")
            bare_seconds = [await _bare(world) for _ in range(_TIMES)]
            await _check_an_end_is_seen(world)
    # The first tick opens connections; they stay open in an instance.
    billed = ticks[-1][0]
    seconds, floor_seconds = statistics.median(s for _, s in ticks), statistics.median(bare_seconds)
    calls = billed.provider_calls.total()
    return Measured(
        question=f"What does a tick cost while {_BATCHES} open batches have not changed?",
        measurements=[
            Measurement(
                name="provider calls",
                measured=str(calls),
                number=calls,
                aim=_CALLS_PER_TICK,
                spread=[each.provider_calls.total() for each, _ in ticks],
            ),
            Measurement(
                name="document writes, its own record",
                measured=str(billed.writes),
                number=billed.writes,
                aim=Aim(sign="≤", bound=1),
                spread=[each.writes for each, _ in ticks],
            ),
            Measurement(name="document reads", measured=str(billed.reads), floor=str(_BATCHES)),
            Measurement(
                name="seconds of a tick (median)",
                measured=f"{seconds:.2f} s",
                floor=f"{floor_seconds:.2f} s",
                number=seconds / floor_seconds,
            ),
        ],
        notes=[
            "The floor in seconds: the provider's listing by the bare SDK, and the query for the open batches by the "
            "bare client.",
            "The calls: " + ", ".join(f"{n} {call}" for call, n in sorted(billed.provider_calls.items())) + ".",
            f"Of {_TIMES} ticks; afterwards one batch was let end, and the next tick settled it.",
        ],
    )


async def _open_batches(world: World) -> None:
    """500 submitted batches of one job each, at work at the provider."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_MAX_BATCH_REQUESTS="1")
    world.provider.hold("in_progress")
    await world.give("alice", _BATCHES)
    for _ in range(_BATCHES):
        await world.submit()
    check(await world.tick() == 200, "The tick that submits failed.")
    submitted = [batch for batch in await world.batches() if batch["status"] == "submitted"]
    at_work = [batch for batch in world.provider.batches.values() if batch.status == "in_progress"]
    check(len(submitted) == len(at_work) == _BATCHES, f"{len(submitted)} batches are submitted, not {_BATCHES}.")


async def _tick(world: World) -> tuple[Billed, float]:
    """What a tick is billed, and its seconds."""
    started_at = time.perf_counter()
    with bill() as billed:
        check(await world.tick() == 200, "A tick failed.")
    return billed, time.perf_counter() - started_at


async def _bare(world: World) -> float:
    """The seconds of one listing and one query, by the clients alone."""
    async with AsyncOpenAI(api_key=API_KEY, base_url=world.base_url) as openai:
        await openai.batches.list(limit=1)
        started_at = time.perf_counter()
        listed = [batch async for batch in openai.batches.list(limit=100)]
        query = world.firestore.collection("ai_batches").where(filter=FieldFilter("status", "==", "submitted"))
        found = await query.get()
        seconds = time.perf_counter() - started_at
    check(len(listed) == len(found) == _BATCHES, "The bare listing found something else than the tick.")
    return seconds


async def _change_times(world: World) -> dict[str, object]:
    return {batch.id: batch.update_time async for batch in world.firestore.collection("ai_batches").stream()}


async def _check_an_end_is_seen(world: World) -> None:
    """Among all those that have not changed, one that has is found and settled."""
    ended = (await world.batches())[_BATCHES // 2]
    await world.provider.expire(ended["remoteId"], answered=1)
    check(await world.tick() == 200, "The tick after an end failed.")
    statuses = [batch["status"] for batch in await world.batches()]
    check(statuses.count("submitted") == _BATCHES - 1, "The tick touched more than the batch that ended.")
    check((await world.read(f"ai_batches/{ended['id']}"))["status"] == "expired", "The tick missed the end of a batch.")
    check(len(await world.jobs("completed")) == 1, "The job of the batch that ended is not completed.")
