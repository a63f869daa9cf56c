"""The provider's listing of batches: strays, gaps, circles, and what a lost create is found by."""

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from local.openai_server import BatchFault, RequestFault
from nightshift.providers.base import RemoteBatch
from nightshift.providers.openai.client import OpenAIProvider, _until_repeated
from tests.batches.test_crashes import create_at_provider
from tests.support.promises import assert_promises_kept
from tests.support.world import World


@pytest.mark.parametrize("stamp", ["a/b", "__x__", "..", "ns-" + "x" * 20])
async def test_a_stray_with_a_strange_stamp_is_cancelled(world: World, stamp: str) -> None:
    """A stamp is no trusted document id."""
    world.provider.hold("in_progress")
    stray = await create_at_provider(world, {"nightshift_batch": stamp})

    assert await world.tick() == 200
    await world.provider.settled()

    assert world.provider.batches[stray].status == "cancelled"


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_without_a_listing_the_batches_go_on(world: World, status: int) -> None:
    """Each open batch is asked for by itself then."""
    world.provider.faults.add(RequestFault("GET", "/v1/batches", status=status, times=None))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()

    assert await world.tick() == 200

    assert (await world.job(job_id))["status"] == "completed"


async def test_a_stray_that_cannot_be_cancelled_stops_nothing(world: World) -> None:
    """Its cancel is tried again by every tick; the others are polled and ingested meanwhile."""
    world.provider.hold("in_progress")
    await create_at_provider(world, {"nightshift_batch": "stray"})
    world.provider.release()
    world.provider.hold("finalizing")
    world.provider.faults.add(RequestFault("POST", "/v1/batches/.*/cancel", status=403, times=None))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    world.provider.release()
    await world.provider.settled()

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"


async def test_a_listing_that_goes_in_circles_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that leads back into the listing is noticed, wherever it leads."""
    pages = [["a", "b"], ["c", "d"], ["b", "e"], ["c", "d"]]

    async def circling() -> AsyncIterator[Any]:
        while True:
            for page in pages:
                for name in page:
                    yield SimpleNamespace(id=name)

    assert [listed.id async for listed in _until_repeated(circling())] == ["a", "b", "c", "d"]


async def test_a_lost_create_is_adopted_past_batches_without_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program's odd batch, newer than ours, does not hide ours."""
    world.provider.hold("in_progress")
    world.provider.faults.add(RequestFault("POST", "/v1/batches", when="after", reset=True))
    await world.give("alice", 1)
    await world.submit("alice")
    strange = await create_at_provider(world, {})
    read = OpenAIProvider._remote

    def timeless(provider: OpenAIProvider, batch: Any) -> RemoteBatch:
        remote = read(provider, batch)
        return replace(remote, created_at=None) if batch.id == strange else remote

    monkeypatch.setattr(OpenAIProvider, "_remote", timeless)

    assert await world.tick() == 200

    assert len(world.provider.batches) == 2


async def test_a_lost_create_is_looked_for_even_when_the_file_is_said_to_be_gone(world: World) -> None:
    """The first batch was created and its answer lost; the search for it goes on after a 404 for its file."""
    world.provider.hold("in_progress")
    world.provider.faults.add(
        BatchFault(hidden_listings=2),
        RequestFault("POST", "/v1/batches", when="after", reset=True),
        RequestFault("POST", "/v1/batches", status=404, times=3),
    )
    await world.give("alice", 1)
    await world.submit("alice")

    assert await world.tick() == 200
    assert await world.tick() == 200

    assert len(world.provider.batches) == 1


async def test_any_number_of_lost_creates_is_adopted_by_one_listing(world: World) -> None:
    """Each answer was lost; the tick looks once, and finds them all."""
    for number in range(4):
        world.provider.faults.add(RequestFault("POST", "/v1/batches", when="after", reset=True))
        await world.give(f"user{number}", 1)
        await world.submit(f"user{number}")
    assert [batch["status"] for batch in await world.batches()] == ["sealed"] * 4
    await world.provider.settled()
    before = len(world.provider.calls)

    assert await world.tick() == 200

    listings = [call for call in world.provider.calls[before:] if (call.method, call.path) == ("GET", "/v1/batches")]
    assert len(listings) == 1
    await world.finish()
    assert len(world.provider.batches) == 4
    await assert_promises_kept(world)
