"""Rescue: what is late or broken in one lane is answered in another, and no user pays twice for it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from local.groq_server import GroqServer
from local.openai_server import BatchFault, RequestFault
from nightshift.batches.move import late_after
from tests.support.fallback import fallback
from tests.support.operating import operate
from tests.support.promises import assert_promises_kept
from tests.support.world import World

_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_LOCKED = {"error": {"code": "billing_hard_limit_reached", "message": "No credit.", "type": "invalid_request_error"}}


@pytest.fixture
async def groq(world: World) -> AsyncIterator[GroqServer]:
    """A second provider, to which jobs are moved."""
    async with fallback(world) as server:
        yield server


async def _spend_a_night(world: World, groq: GroqServer, ticks: int = 30) -> None:
    """Ticks, until nothing is under way."""
    for _ in range(ticks):
        await world.provider.settled()
        await groq.settled()
        assert await world.tick() == 200
        if not await world.jobs("created", "queued", "processing") and not await world.open_batches():
            return
        world.pass_time(minutes=10)
    raise AssertionError(f"still under way: {await world.jobs('created', 'queued', 'processing')}")


async def _assert_each_paid_once(world: World, **jobs: int) -> None:
    """Of each user all jobs are answered, each charged once at the price of a batch."""
    for uid, number in jobs.items():
        assert (await world.read(f"wallets/{uid}"))["totalSpent"] == number
    assert len(await world.jobs("completed")) == sum(jobs.values())
    await assert_promises_kept(world)


async def test_a_night_in_which_openai_fails_every_batch_ends_with_every_job_answered(
    world: World, groq: GroqServer
) -> None:
    """It is tried twice more; then the fallback has them, and no user pays twice."""
    world.provider.faults.add(*(BatchFault(fail_code="server_error") for _ in range(30)))
    await world.give("alice", 5)
    await world.give("bob", 5)
    for number in range(6):
        await world.submit("alice" if number % 2 else "bob")

    await _spend_a_night(world, groq)

    await _assert_each_paid_once(world, alice=3, bob=3)
    assert {job["provider"] for job in (await world.jobs()).values()} == {"groq"}
    assert {job["lane"] for job in (await world.jobs()).values()} == {"groq:/v1/chat/completions:openai/gpt-oss-20b"}
    assert {batch["status"] for batch in await world.batches() if batch["provider"] == "openai"} == {"failed"}


async def test_the_jobs_of_a_locked_account_are_answered_elsewhere(world: World, groq: GroqServer) -> None:
    """In a batch that was not sent, in the queue behind it, and in real time; nothing waits for the operator."""
    world.provider.faults.add(
        RequestFault("POST", "/v1/files", status=402, body=_LOCKED, times=None),
        RequestFault("POST", "/v1/chat/completions", status=402, body=_LOCKED, times=None),
    )
    await world.give("alice", 20)
    for _ in range(3):
        await world.submit("alice")
    instant = await world.submit("alice", speed="instant")

    assert (await world.job(instant))["provider"] == "groq", "within the same call"
    await _spend_a_night(world, groq, ticks=4)

    assert {job["provider"] for job in (await world.jobs("completed")).values()} == {"groq"}
    assert len(await world.jobs("completed")) == 4
    assert (await world.read("wallets/alice"))["totalSpent"] == 3 + 5
    await assert_promises_kept(world)


async def test_a_late_batch_is_stopped_and_only_what_it_has_not_answered_is_moved(
    world: World, groq: GroqServer
) -> None:
    """Its answers until then count; the others go on once the batch is final, before the window ends."""
    world.provider.hold("in_progress", answered=1)
    await world.give("alice", 3)
    for _ in range(3):
        await world.write("alice")
    world.pass_time(minutes=10)
    assert await world.tick() == 200
    world.pass_time(hours=19)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    assert "stop" not in batch, "it is not late yet"
    world.pass_time(hours=1)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    assert (batch["status"], batch["stop"]) == ("submitted", "move")
    assert len(await world.jobs("processing")) == 3, "nothing is moved before the batch is final"

    world.provider.release()
    await _spend_a_night(world, groq)

    await _assert_each_paid_once(world, alice=3)
    served = sorted(job["provider"] for job in (await world.jobs()).values())
    assert served == ["groq", "groq", "openai"]
    assert {job["attempts"] for job in (await world.jobs()).values()} == {1}
    first = next(batch for batch in await world.batches() if batch["provider"] == "openai")
    assert first["counts"] == {"completed": 1, "failed": 0, "retried": 2, "cancelled": 0}


@pytest.mark.parametrize(
    ("hours", "late"),
    [([], 20), ([1, 1, 1, 1], 20), ([1, 1, 1, 1, 1.5], 4.5), ([0.1] * 20, 2), ([9] * 5, 20)],
)
def test_what_is_late_is_learned_from_the_lane(hours: list[float], late: float) -> None:
    """Three times the slowest of its last batches; never under two hours, nor beyond five sixths of the window."""
    assert late_after([number * _HOUR for number in hours], _DAY) == late * _HOUR


async def test_a_lane_without_another_is_left_as_it_is(
    world: World, groq: GroqServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Vectors of two models cannot be compared; what has no fallback is not stopped, and an operator hears it."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice", type="embedding")
    world.pass_time(hours=23)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    assert "stop" not in batch

    code, _, complaint = await operate(world, capsys, "move", "batch", batch["id"], "--yes")

    assert code != 0
    assert "NIGHTSHIFT_FALLBACK_MODEL" in complaint
    world.provider.release()
    await _spend_a_night(world, groq)
    await assert_promises_kept(world)


async def test_an_operator_moves_a_batch(world: World, groq: GroqServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Its jobs without an answer go to the fallback lane, and are paid once; one with an image that the other model
    cannot read is sent again where it was."""
    world.provider.hold("in_progress", answered=1)
    await world.give("alice", 3)
    for uri in (None, None, "https://example.com/a.png"):
        await world.write("alice", input={"text": "a bottle"} | ({"imageUri": uri} if uri else {}))
    world.pass_time(minutes=10)
    assert await world.tick() == 200
    (batch,) = await world.batches()

    code, said, _ = await operate(world, capsys, "move", "batch", batch["id"], "--yes")

    assert code == 0
    assert "asked to stop" in said
    world.provider.release()
    await _spend_a_night(world, groq)
    await _assert_each_paid_once(world, alice=3)
    blind = [job for job in (await world.jobs()).values() if job["input"].get("imageUri")]
    assert [job["provider"] for job in blind] == ["openai"]
