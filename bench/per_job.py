"""What one job is billed, from its trigger to its notification, alone and in a batch of many.

The functions run as functions-framework serves them, over the emulators; the counter lies at the transports. Two
batches of different size give the slope, which is what one more job costs, and the rest, which is what a batch costs
however large it is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from bench.billed import Billed
from bench.counting import bill, counter
from bench.measured import Aim, Measured, Measurement, check
from tests.support.world import World

# A last page that is full costs one more query; a slope between these two meets none.
SMALL, LARGE = 90, 190
MOST_WRITES = Aim(sign="≤", bound=7)
MOST_READS = Aim(sign="≤", bound=4)
_MOST_USERS = 10
_ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class BilledNight:
    """What one batch of so many jobs was billed, by who did it."""

    jobs: int
    triggers: Billed
    # The tick that finds them queued, if the trigger left them to it.
    submitting: Billed
    # A tick over the submitted batch, on which nothing has changed.
    unchanged: Billed
    # The tick after the provider is done.
    settling: Billed

    @property
    def parts(self) -> Mapping[str, Billed]:
        """An invocation that did something belongs to the journey of these jobs; a tick without news does not."""
        ticks = {"the tick that settles": self.settling}
        if self.jobs > 1:
            ticks = {"the tick that submits": self.submitting, **ticks}
        return {"triggers": self.triggers, **ticks}

    @property
    def writes(self) -> int:
        """Writes of all parts."""
        return sum(part.writes for part in self.parts.values())

    @property
    def reads(self) -> int:
        """Document reads of all parts."""
        return sum(part.reads for part in self.parts.values())

    @property
    def provider_calls(self) -> int:
        """Calls to the provider of all parts."""
        return sum(part.provider_calls.total() for part in self.parts.values())


async def ask() -> Measured:
    """Count a lone job, and batches of two sizes."""
    lone = await night_of(1)
    rounds = [(await night_of(SMALL), await night_of(LARGE)) for _ in range(_ROUNDS)]
    slopes = [slope(small, large) for small, large in rounds]
    (small, large), one_more = rounds[-1], slopes[-1]
    fixed = [
        large.writes - one_more.writes * large.jobs,
        large.reads - one_more.reads * large.jobs,
        large.provider_calls - one_more.provider_calls * large.jobs,
    ]
    return Measured(
        question="What is one job billed, from trigger to notification?",
        measurements=[
            Measurement(
                name="one more job of a batch: writes",
                measured=f"{one_more.writes:.2f}",
                number=one_more.writes,
                aim=MOST_WRITES,
                spread=[each.writes for each in slopes],
            ),
            Measurement(
                name="one more job of a batch: document reads",
                measured=f"{one_more.reads:.2f}",
                number=one_more.reads,
                aim=MOST_READS,
                spread=[each.reads for each in slopes],
            ),
            Measurement(
                name="a tick over an unchanged batch: writes, its own record",
                measured=str(large.unchanged.writes),
                number=large.unchanged.writes,
                aim=Aim(sign="≤", bound=1),
                spread=[night.unchanged.writes for nights in rounds for night in nights],
            ),
            _row("a tick over an unchanged batch", large.unchanged),
            Measurement(
                name="a batch by itself, however large",
                measured=f"{fixed[0]:.0f} writes, {fixed[1]:.0f} reads, {fixed[2]:.0f} calls",
            ),
            *(_row(f"a lone job: {name}", part) for name, part in lone.parts.items()),
            *(_row(f"{large.jobs} jobs: {name}", part) for name, part in large.parts.items()),
        ],
        notes=[
            "Counted at the transports of the functions; a call is one to the provider. One more job is the slope "
            f"between batches of {small.jobs} and {large.jobs} jobs of {len(_users(large.jobs))} users.",
            f"Provider calls for {large.jobs} jobs: {_listed(large, 'provider_calls')}; of the tick over an unchanged "
            f"batch: {_listed_calls([large.unchanged.provider_calls])}.",
            f"Cloud Storage calls for {large.jobs} jobs: {_listed(large, 'storage_calls')}.",
            f"Writes refused by a precondition, which are not billed: {_refused(lone)} and {_refused(large)}.",
        ],
    )


async def night_of(jobs: int) -> BilledNight:
    """Bring so many jobs through the functions in one batch, and count it all."""
    with pytest.MonkeyPatch.context() as environment, counter():
        async with World(environment).running() as world:
            return await _night(world, jobs)


@dataclass(frozen=True, kw_only=True)
class Slope:
    """What one more job in a batch is billed."""

    writes: float
    reads: float
    provider_calls: float


def slope(small: BilledNight, large: BilledNight) -> Slope:
    """What one more job in a batch is billed, by two batches of different size."""
    more = large.jobs - small.jobs
    return Slope(
        writes=(large.writes - small.writes) / more,
        reads=(large.reads - small.reads) / more,
        provider_calls=(large.provider_calls - small.provider_calls) / more,
    )


async def _night(world: World, jobs: int) -> BilledNight:
    """Bring so many jobs through the functions in one batch.

    A lone job is submitted by its own trigger. Of many, each is left to the tick: their lane was submitted a
    moment before.
    """
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    users = _users(jobs)
    for uid in users:
        await world.give(uid, jobs + 1)
    if jobs > 1:
        await world.submit(users[0])
        await world.finish()
    world.provider.hold("in_progress")
    job_ids = [await world.write(users[number % len(users)]) for number in range(jobs)]
    with bill() as triggers:
        for job_id in job_ids:
            check(await world.trigger(job_id) == 200, "A trigger failed.")
    with bill() as submitting:
        check(await world.tick() == 200, "The tick that submits failed.")
    with bill() as unchanged:
        check(await world.tick() == 200, "The tick over an unchanged batch failed.")
    world.provider.release()
    await world.provider.settled()
    with bill() as settling:
        check(await world.tick() == 200, "The tick that settles failed.")
    await _check_all_settled(world, job_ids)
    return BilledNight(jobs=jobs, triggers=triggers, submitting=submitting, unchanged=unchanged, settling=settling)


async def _check_all_settled(world: World, job_ids: Sequence[str]) -> None:
    jobs, notes = await world.jobs(), await world.documents("notifications")
    spent = Counter(job["userId"] for job in jobs.values())
    check(all(jobs[job_id]["status"] == "completed" for job_id in job_ids), "A job is not completed.")
    check(len({jobs[job_id]["batchId"] for job_id in job_ids}) == 1, "The jobs are in several batches.")
    check(notes.keys() == jobs.keys(), "Not every job has its one notification.")
    for uid, wallet in (await world.documents("wallets")).items():
        check(wallet["totalEarned"] - wallet["balance"] == spent[uid], f"The wallet of {uid} is wrong.")


def _users(jobs: int) -> list[str]:
    return [f"user{number}" for number in range(min(jobs, _MOST_USERS))]


def _row(name: str, billed: Billed) -> Measurement:
    calls = billed.provider_calls.total()
    return Measurement(name=name, measured=f"{billed.writes} writes, {billed.reads} reads, {calls} calls")


def _refused(of: BilledNight) -> str:
    refused = sum(part.refused_writes for part in of.parts.values())
    return f"{refused} for {of.jobs} job{'s' if of.jobs > 1 else ''}"


def _listed(of: BilledNight, what: str) -> str:
    return _listed_calls([getattr(part, what) for part in of.parts.values()])


def _listed_calls(counts: Sequence["Counter[str]"]) -> str:
    total = sum(counts, Counter[str]())
    return ", ".join(f"{number} {call}" for call, number in sorted(total.items())) or "none"
