"""`reprocess`: jobs that have ended are asked anew, each once in a run, for free or charged."""

import json

import pytest

from nightshift.admission.reprocess import id_in_run
from tests.support.operating import operate
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def _answered(world: World, *texts: str) -> list[str]:
    await world.give("alice", 20)
    jobs = [await world.submit("alice", input={"text": text}) for text in texts]
    await world.finish()
    return jobs


async def test_a_run_asks_another_model_on_the_house_and_makes_each_job_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Count and price come first; the first jobs stay, and a repeated run adds nothing."""
    jobs = await _answered(world, "a dry box", "a wet leaf", "a dry can")
    asked = ("reprocess", "--type", "waste_classification", "--where", "result.category=dry", "--run", "night-1")
    wanted = (*asked, "--with-model", "gpt-5-nano", "--yes", "--json")

    code, said, _ = await operate(world, capsys, *wanted)

    assert code == 0
    told = json.loads(said.splitlines()[-1])["reprocess"]
    assert (told["matched"], told["tokens"], told["jobs"]) == (2, 2, {"made": 2})
    assert told["estimatedUsd"] > 0
    again = [id_in_run("night-1", job_id) for job_id in (jobs[0], jobs[2])]
    assert (await world.jobs("created")).keys() == set(again)
    for job_id in again:
        assert await world.trigger(job_id) == 200
    code, said, _ = await operate(world, capsys, *wanted, "--until", "1h")
    assert code != 0, "nothing ended so long ago"
    await world.finish()
    code, said, _ = await operate(world, capsys, *asked, "--yes", "--json", "--model", "gpt-5-mini")
    assert json.loads(said.splitlines()[-1])["reprocess"]["jobs"] == {"there": 2}
    ended = await world.jobs("completed")
    assert len(ended) == 5
    assert {ended[job_id]["model"] for job_id in again} == {"gpt-5-nano"}
    assert {ended[job_id]["formerJobId"] for job_id in again} == {jobs[0], jobs[2]}
    assert (await world.read("wallets/alice"))["balance"] == 20 - 3, "it was free"
    await assert_promises_kept(world)


async def test_a_run_that_is_charged_is_paid_as_any_other_job(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A user who cannot pay is refused, and owes nothing."""
    await _answered(world, "a box")

    code, _, _ = await operate(world, capsys, "reprocess", "--type", "waste_classification", "--charge", "--yes")

    assert code == 0
    world.pass_time(minutes=10)
    await world.finish()
    assert len(await world.jobs("completed")) == 2
    assert (await world.read("wallets/alice"))["balance"] == 20 - 2
    await assert_promises_kept(world)
