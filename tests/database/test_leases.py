"""Leases: one holder at a time, a sleeper changes nothing, and a lost answer is no riddle."""

import asyncio
from datetime import datetime, timedelta

import pytest
from google.api_core.exceptions import ServiceUnavailable

from nightshift.database import leases
from nightshift.database.commits import Commit, Undecided
from nightshift.database.leases import LeaseHolder
from nightshift.errors import LeaseHeld, LeaseLost
from nightshift.runtime import Runtime
from nightshift.settings import load
from tests.support.patience import patience
from tests.support.world import World


async def begin(world: World) -> LeaseHolder | None:
    """Take the lease on one document in memory, as a fresh instance would."""
    runtime = Runtime(load(), world.now)
    return leases.take_if_free(runtime, await runtime.firestore.document("lanes/one").get())


async def take(world: World) -> LeaseHolder | None:
    """Take the lease and put it on record, as a fresh instance would."""
    holder = await begin(world)
    return await holder.on_record() if holder else None


async def test_a_live_lease_is_held_by_one_and_an_expired_one_is_taken_over(world: World) -> None:
    """While the first holder lives no other one works; after its lease, the next one does."""
    assert await take(world)
    assert await take(world) is None

    world.pass_time(seconds=121)

    assert await take(world)


async def test_a_holder_that_slept_past_its_lease_changes_nothing(world: World) -> None:
    """Its write fails, it learns that it lost the lease, and the document is the new holder's."""
    sleeper = await take(world)
    world.pass_time(seconds=121)
    holder = await take(world)
    assert sleeper
    assert holder

    with pytest.raises(LeaseLost):
        await sleeper.write({"by": "the sleeper"})

    await holder.write({"by": "the holder"})
    assert (await world.read("lanes/one"))["by"] == "the holder"


async def test_a_lease_that_is_kept_does_not_expire(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewed in the background each third of its length, it outlives that length."""
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: real(0.01 if seconds == 40 else seconds))
    holder = await take(world)
    assert holder
    async with holder.renewed():
        for _ in range(6):
            world.pass_time(seconds=50)
            now = world.now()
            async with patience():
                # Until it has been renewed since.
                while (await world.read("lanes/one"))["lease"]["expiresAt"] < now + timedelta(seconds=120):
                    await real(0.01)
            assert await take(world) is None
    await holder.write({}, release=True)
    assert await take(world)


@pytest.mark.parametrize("release", [False, True])
@pytest.mark.parametrize("landed", [False, True])
async def test_a_write_whose_answer_is_lost_is_done_once(
    world: World, monkeypatch: pytest.MonkeyPatch, landed: bool, release: bool
) -> None:
    """Whether it landed or not, the holder finds out, and the change is there exactly once."""
    holder = await take(world)
    assert holder
    lose_answers(monkeypatch, 1, landed=landed)

    await holder.write({"step": 1}, release=release)

    assert (await world.read("lanes/one"))["step"] == 1
    assert (await take(world) is None) is not release


@pytest.mark.parametrize("landed", [False, True])
async def test_a_first_write_whose_answer_is_lost_takes_the_lease_once(
    world: World, monkeypatch: pytest.MonkeyPatch, landed: bool
) -> None:
    """No other process was faster: the holder goes on."""
    holder = await begin(world)
    assert holder
    lose_answers(monkeypatch, 1, landed=landed)

    await holder.write({"step": 1})
    await holder.write({"step": 2})

    assert (await world.read("lanes/one"))["step"] == 2


async def test_of_two_that_read_the_same_one_takes_the_lease(world: World) -> None:
    """The first write decides, and the slower one learns that the lease is held."""
    for _ in range(2):  # a document that is new, and one that is there
        slower, faster = await begin(world), await begin(world)
        assert slower
        assert faster
        await faster.write({"by": "the faster"})

        with pytest.raises(LeaseHeld):
            await slower.write({"by": "the slower"})

        assert (await world.read("lanes/one"))["by"] == "the faster"
        await faster.write({}, release=True)


async def test_a_holder_that_only_looks_writes_nothing(world: World) -> None:
    """A holder that ends without a write leaves no trace."""
    holder = await begin(world)
    assert holder
    async with holder.released_after():
        pass
    assert await world.read("lanes/one") == {}


async def test_a_change_may_go_with_the_next_write_or_the_release(world: World) -> None:
    """The others see it after the next write, whichever that is."""
    holder = await take(world)
    assert holder
    holder.with_next_write({"step": 1})
    assert "step" not in await world.read("lanes/one")
    await holder.write({"other": True})
    assert (await world.read("lanes/one"))["step"] == 1

    async with holder.released_after():
        holder.with_next_write({"step": 2})
    assert (await world.read("lanes/one"))["step"] == 2


async def test_a_release_is_not_taken_for_anothers(world: World) -> None:
    """A sleeper whose release fails, after the next holder has released too, learns that it lost the lease."""
    sleeper = await take(world)
    world.pass_time(seconds=121)
    holder = await take(world)
    assert sleeper
    assert holder
    await holder.write({}, release=True)

    with pytest.raises(LeaseLost):
        await sleeper.write({"by": "the sleeper"}, release=True)


async def test_a_renewal_that_landed_unheard_does_not_swallow_the_next_write(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal was given up in the middle and landed all the same; the next write can tell that it is its own."""
    holder = await take(world)
    assert holder
    lose_answers(monkeypatch, 1, landed=True, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        await holder.write({})

    await holder.write({"step": 2})

    assert (await world.read("lanes/one"))["step"] == 2


def lose_answers(
    monkeypatch: pytest.MonkeyPatch, times: int, *, landed: bool, error: BaseException | None = None
) -> None:
    """Let the next commits fail as if their answers were lost, after they took effect or instead."""
    left = times
    real = Commit.send

    async def losing(commit: Commit) -> datetime:
        nonlocal left
        if left == 0:
            return await real(commit)
        left -= 1
        if landed:
            await real(commit)
        raise error or Undecided(ServiceUnavailable("lost"))

    monkeypatch.setattr(Commit, "send", losing)
