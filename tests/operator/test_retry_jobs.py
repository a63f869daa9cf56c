"""`retry jobs`: all failed jobs that match run again, once their count and price were confirmed."""

import json

import pytest

from cli.commands import retrying
from local.openai_server import Reply, ReplyRule
from nightshift.admission.retry import retry
from nightshift.errors import TryLater
from nightshift.runtime import Runtime
from tests.support.operating import asked, operate
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def failed_night(world: World) -> None:
    """Five jobs of alice's failed in a night, two of them by another code; bob's was never charged."""
    world.provider.faults.add(
        ReplyRule(Reply.http_error(400, "context_length_exceeded"), custom_id="job-long-.", times=3),
        ReplyRule(Reply.refuses("No."), custom_id="job-rude-.", times=2),
    )
    await world.give("alice", 9)
    for job_id in ("long-1", "long-2", "long-3", "rude-1", "rude-2"):
        await world.submit("alice", job_id)
    await world.submit("bob", "poor")
    await world.finish()
    assert len(await world.jobs("failed")) == 6


async def test_those_that_match_run_again_once_count_and_price_are_confirmed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a yes nothing changes; the others are left alone."""
    await failed_night(world)

    code, _, complaints = await asked(
        world, capsys, "n", "retry", "jobs", "--code", "provider_rejected", "--since", "2h"
    )
    assert (code, "Runs up to 3 jobs again, at about US$ 0.00 to the provider" in complaints) == (1, True)
    assert len(await world.jobs("failed")) == 6

    code, output, _ = await asked(world, capsys, "y", "retry", "jobs", "--code", "provider_rejected", "--since", "2h")
    assert (code, "3 jobs run again." in output) == (0, True)
    assert {*await world.jobs("failed")} == {"rude-1", "rude-2", "poor"}
    await world.finish()
    assert {*await world.jobs("completed")} == {"long-1", "long-2", "long-3"}
    await assert_promises_kept(world)


async def test_a_run_that_died_goes_on_with_the_rest(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of two, and the second job's database call fails: what ran again is passed over, nothing runs twice."""
    world.bound(page_jobs=2)
    await failed_night(world)
    real, calls = retry, 0

    async def failing_once(runtime: Runtime, job_id: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise TryLater("no answer")
        return await real(runtime, job_id)

    monkeypatch.setattr(retrying, "retry", failing_once)
    arguments = ("retry", "jobs", "--type", "waste_classification", "--json", "--yes")

    code, output, _ = await operate(world, capsys, *arguments)
    told = json.loads(output.splitlines()[-1])["retry"]
    assert (code, told["matched"], sum(told["left"].values()), told["tokens"]) == (1, 6, 1, 1)
    assert 0 < told["estimatedUsd"] < 0.01

    code, output, _ = await operate(world, capsys, *arguments)
    told = json.loads(output.splitlines()[-1])["retry"]
    # bob has no tokens, and is refused again.
    assert (code, told["matched"], told["statuses"]) == (1, 2, {"queued": 1, "failed": 1})
    await world.finish()
    assert {job["attempts"] for job in (await world.jobs("completed")).values()} == {1}
    assert len(await world.jobs("completed")) == 5
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("jobs",), "or jobs by a filter"),
        (("jobs", "job-1", "--code", "x"), "or jobs by a filter"),
        (("job",), "or jobs by a filter"),
        (("job", "job-1", "--code", "x"), "or jobs by a filter"),
        (("jobs", "--code", "nothing"), "No failed job in "),
    ],
    ids=" ".join,
)
async def test_what_names_no_job_runs_none(
    world: World, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    """A filter that was forgotten is not taken for all jobs."""
    code, output, complaints = await operate(world, capsys, "retry", *arguments, "--yes")

    assert (code in {1, 2}, output) == (True, "")
    assert sentence in complaints
