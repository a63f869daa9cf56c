"""A server that is slow, since it is full or by nature: few calls are under way there, and few are asked again."""

import asyncio
from statistics import mean
from typing import Any

import pytest

from local.openai_server import OpenAIServer, Pace, Reply, ReplyRule
from nightshift.instant.concurrency import CallReport, Concurrency
from tests.support.events import logged, of
from tests.support.promises import assert_promises_kept
from tests.support.slow_server import SlowServer
from tests.support.world import API_KEY, World


def run(**changes: Any) -> list[SlowServer]:
    """Twenty runs with different random numbers, each from the first calls of a new instance on."""
    servers = [SlowServer(state=Concurrency(first=4), seed=seed, **changes) for seed in range(20)]
    for server in servers:
        server.run()
    return servers


def test_a_server_that_answers_one_at_a_time_is_asked_again_for_few() -> None:
    """Of the calls at most one in twenty runs out of time, and the server never idles; it takes 3 to 18 s each."""
    servers = run(jobs=50)
    assert mean(server.late_share for server in servers) <= 0.05
    assert mean(server.now for server in servers) < 50 * 10.5 * 1.1


def test_the_longer_it_goes_on_the_fewer_are_late() -> None:
    """What was learned stays."""
    assert mean(server.late_share for server in run(jobs=400)) <= 0.01


def test_a_model_that_is_slow_by_nature_is_asked_for_many_at_once() -> None:
    """Answers of 20 to 40 seconds, 64 at once: fewer calls do not make them faster, so there are many."""
    servers = run(jobs=1_000, at_once=64, least_seconds=20.0, most_seconds=40.0)
    assert mean(server.late_share for server in servers) == 0
    assert mean(server.now for server in servers) < 2 * 1_000 * 30 / 64
    assert min(server.state.limit for server in servers) >= 32


def test_a_call_that_runs_out_of_time_halves_the_limit_as_a_refusal_does() -> None:
    """Once for all calls that were under way."""
    state = Concurrency(first=16)
    calls = [state.start(0.0) for _ in range(16)]
    for call in calls:
        assert call
        state.end(call, 60.0, CallReport(verdict="late"))
    assert state.limit == 8


async def test_a_job_that_waits_for_its_turn_keeps_its_lease(world: World) -> None:
    """One answer at a time, and a lease that is shorter than the wait: each is asked for once, and none is repeated."""
    provider = OpenAIServer(api_key=API_KEY, pace=Pace(answer_seconds=1.0, answers_at_once=1))
    async with provider.serve() as base_url:
        world.set_env(OPENAI_BASE_URL=base_url, NIGHTSHIFT_LEASE_SECONDS="3", NIGHTSHIFT_FIRST_CALLS="1")
        await world.give("alice", 5 * 6)
        job_ids = [await world.write("alice", speed="instant") for _ in range(6)]
        triggers = [asyncio.create_task(world.trigger(job_id)) for job_id in job_ids]
        with logged() as events:
            while not all(trigger.done() for trigger in triggers):
                # A sweep takes whatever has lost its holder.
                assert await world.sweep() == 200
                await asyncio.sleep(0.2)

        assert {await trigger for trigger in triggers} == {200}
        assert of(events, "answer_repeated") == []
        assert [(await world.job(job_id))["attempts"] for job_id in job_ids] == [1] * 6
        assert len(provider.calls) == 6
        await assert_promises_kept(world)


@pytest.mark.parametrize("others_are_answered", [True, False])
async def test_a_job_at_which_the_server_fails_again_and_again_ends_if_others_are_answered(
    world: World, others_are_answered: bool
) -> None:
    """A model of text alone says 500 to each image. In an outage, where no job is answered, it waits on."""
    world.bound(longest_pause_seconds=0)
    world.provider.faults.add(ReplyRule(Reply.http_error(500, "server_error"), text="photo", times=None))
    await world.give("alice", 50)
    await world.submit("alice", "failing", speed="instant", input={"text": "a photo"})
    if others_are_answered:
        await world.submit("alice", speed="instant")
    with logged() as events:
        for _ in range(6):
            world.pass_time(minutes=3)
            assert await world.sweep() == 200

    job = await world.job("failing")
    assert job["status"] == ("failed" if others_are_answered else "processing")
    if others_are_answered:
        assert (job["errorCode"], job["tokensSpent"]) == ("provider_rejected", 0)
        (told,) = of(events, "answer_failed")
        assert told["reason"] == (
            "the provider answered 500 server_error, after 6 attempts, while other jobs of the lane were answered"
        )
        await assert_promises_kept(world)
