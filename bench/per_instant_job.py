"""What one instant job is billed, from its trigger to its notification, and what a sweep is that finds nothing."""

from dataclasses import dataclass

import pytest

from bench.billed import Billed
from bench.counting import bill, counter
from bench.measured import check
from tests.support.world import World


@dataclass(frozen=True, kw_only=True)
class InstantJobs:
    """What so many instant jobs were billed, one after the other, so that none shares a commit with another."""

    jobs: int
    triggers: Billed
    # A sweep after them.
    sweep: Billed


async def instant_jobs(jobs: int) -> InstantJobs:
    """Bring so many instant jobs through the functions, and count it; one before them warms the functions up."""
    with pytest.MonkeyPatch.context() as environment, counter():
        async with World(environment).running() as world:
            await world.give("alice", 5 * (jobs + 1))
            await world.submit("alice", speed="instant")
            check(await world.sweep() == 200, "The first sweep failed.")
            job_ids = [await world.write("alice", speed="instant") for _ in range(jobs)]
            with bill() as triggers:
                for job_id in job_ids:
                    check(await world.trigger(job_id) == 200, "A trigger failed.")
            with bill() as swept:
                check(await world.sweep() == 200, "The sweep failed.")
            check(len(await world.jobs("completed")) == jobs + 1, "A job is not completed.")
    return InstantJobs(jobs=jobs, triggers=triggers, sweep=swept)
