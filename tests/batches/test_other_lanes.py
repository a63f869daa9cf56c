"""Lanes of Anthropic and Gemini in the whole journey, from an app's document to its answer."""

import json
from collections.abc import AsyncIterator

import pytest

from local.provider_server.batches import Batch
from tests.support.promises import assert_promises_kept
from tests.support.world import World


@pytest.fixture(params=["anthropic", "gemini"])
async def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world whose model is another provider's."""
    async with World(monkeypatch, request.param).running() as running:
        yield running


async def test_jobs_are_answered_in_a_batch_and_at_once(elsewhere: World) -> None:
    """One has a photo; the costs are known, and nothing is left at the provider."""
    world = elsewhere
    await world.give("alice", 8)
    photo = {"imageUri": await world.upload("alice")}
    first = await world.submit("alice")
    second = await world.submit("alice", type="photo_rating", input=photo)
    at_once = await world.submit("alice", speed="instant")
    assert (await world.job(at_once))["status"] == "completed"

    await world.finish()

    jobs = [await world.job(job_id) for job_id in (first, second, at_once)]
    assert [(job["status"], job["attempts"]) for job in jobs] == [("completed", 1)] * 3
    assert all(job["costUsd"] > 0 for job in jobs)
    assert not world.provider.batches
    await assert_promises_kept(world)


async def test_answers_that_came_under_wrong_keys_reach_their_own_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """At Gemini, where that has happened: each job's answer is that of its own question."""
    async with World(monkeypatch, "gemini").running() as world:
        await world.give("alice", 2)
        world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")

        def swapped(_: Batch, lines: list[bytes]) -> list[bytes]:
            fields = [json.loads(line) for line in lines]
            keys = [each["key"] for each in fields][::-1]
            return [json.dumps(each | {"key": key}).encode() for each, key in zip(fields, keys, strict=True)]

        world.provider.script.edit_output = swapped
        wet = await world.write("alice", input={"text": "wet"})
        dry = await world.write("alice", input={"text": "dry"})
        world.pass_time(minutes=10)

        await world.finish()

        assert (await world.job(wet))["result"]["category"] == "wet"
        assert (await world.job(dry))["result"]["category"] == "dry"
        await assert_promises_kept(world)
