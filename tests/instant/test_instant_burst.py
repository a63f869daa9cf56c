"""A burst of instant jobs against a provider that takes few: it drains, and the provider is not stormed."""

import asyncio
from datetime import timedelta

from local.openai_server import OpenAIServer, Pace, RequestFault
from tests.support.promises import assert_promises_kept
from tests.support.world import API_KEY, World

CHAT = "/v1/chat/completions"
JOBS = 300


async def test_a_burst_drains_at_the_providers_rate_with_few_refusals(world: World) -> None:
    """Forty a second, twenty of them at once: all are answered, and few calls are refused for as many jobs."""
    provider = OpenAIServer(
        api_key=API_KEY, pace=Pace(answer_seconds=0.2), requests_per_minute=40 * 60, requests_burst=20
    )
    async with provider.serve() as base_url:
        world.set_env(OPENAI_BASE_URL=base_url)
        await world.give("alice", 5 * JOBS)
        job_ids = [await world.write("alice", speed="instant") for _ in range(JOBS)]

        codes = await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids))

        assert set(codes) == {200}
        assert len(await world.jobs("completed")) == JOBS
        refused = sum(call.status == 429 for call in provider.calls)
        assert refused <= JOBS / 5, f"{refused} of {len(provider.calls)} calls were refused"
        await assert_promises_kept(world)


async def test_who_waits_behind_a_gate_that_closes_for_a_minute_is_put_off_unasked(world: World) -> None:
    """Sixteen are refused, twenty-four had waited for their turn: no instance waits, and all are answered later."""
    world.provider.faults.add(RequestFault("POST", CHAT, status=429, headers={"Retry-After": "60"}, times=None))
    await world.give("alice", 5 * 40)
    job_ids = [await world.write("alice", speed="instant") for _ in range(40)]
    begun_at = world.now()

    codes = await asyncio.gather(*(world.trigger(job_id) for job_id in job_ids))

    assert set(codes) == {200}
    assert len(world.provider.calls) <= 16
    for job_id in job_ids:
        job = await world.job(job_id)
        assert (job["status"], job["waitsFor"]) == ("processing", "rate_limit")
        assert job["nextAttemptAt"] >= begun_at + timedelta(seconds=60)

    world.provider.faults.clear()
    world.pass_time(seconds=80)
    # Another instance: to this one a minute has not passed.
    world.set_env()
    assert await world.sweep() == 200
    assert len(await world.jobs("completed")) == 40
    await assert_promises_kept(world)
