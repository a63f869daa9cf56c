"""`cancel` and `retry` as an operator meets them: what they ask, what they print, and their exit codes."""

import json

import pytest

from local.openai_server import Reply, ReplyRule, RequestFault
from nightshift.batches import documents as batches
from nightshift.batches import transitions
from tests.support.operating import asked, operate
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def batch_under_way(world: World) -> str:
    """A batch of one job of alice's at which the provider is; returns its id."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice", "job-1")
    return str((await world.batches())[0]["id"])


async def test_a_job_is_cancelled_once_it_was_confirmed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The question names the job, its user and what becomes of the tokens; without a yes nothing changes."""
    await batch_under_way(world)

    code, _, complaints = await asked(world, capsys, "n", "cancel", "job", "job-1")
    question = (
        "Cancels job job-1 of alice, which is processing: its user gets a notification, and its token comes back."
    )
    assert (code, question in complaints) == (1, True)
    assert (await world.job("job-1"))["status"] == "processing"

    code, output, _ = await asked(world, capsys, "y", "cancel", "job", "job-1")
    assert code == 0
    assert "Job job-1 is cancelled; its user has a notification, and its token comes back." in output
    assert (await world.job("job-1"))["status"] == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("cancel", "job", "unknown"), "There is no job unknown in "),
        (("cancel", "job", "job-1"), "Job job-1 has ended already: it is completed."),
        (("cancel", "batch", "unknown"), "There is no batch unknown in "),
        (("retry", "job", "unknown"), "Job unknown is not run again. There is no such job."),
        (("retry", "job", "job-1"), "only failed and cancelled jobs run again."),
        (("retry", "batch", "unknown"), "There is no batch unknown in "),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
async def test_what_is_not_there_or_has_ended_is_refused(
    world: World, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    """One sentence, and exit code 1."""
    await world.give("alice", 1)
    await world.submit("alice", "job-1")
    await world.finish()
    before = await world.job("job-1")

    code, output, complaints = await operate(world, capsys, *arguments, "--yes")

    assert (code, output) == (1, "")
    assert sentence in complaints
    assert await world.job("job-1") == before


async def test_a_batch_is_stopped_and_told_where_it_stands(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON; then it is closed, and refused."""
    batch_id = await batch_under_way(world)
    world.provider.hold("cancelling")

    code, output, _ = await operate(world, capsys, "cancel", "batch", batch_id, "--yes", "--json")
    told = {"batchId": batch_id, "stop": "cancel", "status": "submitted", "later": None}
    assert (code, json.loads(output.splitlines()[-1])) == (0, {"batch": told})
    world.provider.release()
    await world.finish()
    code, _, complaints = await operate(world, capsys, "cancel", "batch", batch_id, "--yes")

    assert (code, f"Batch {batch_id} is closed: cancelled." in complaints) == (1, True)
    await assert_promises_kept(world)


async def test_the_question_about_a_batch_names_what_becomes_of_its_jobs(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its state, its size and its lane, and what is done with what is not answered."""
    batch_id = await batch_under_way(world)

    code, _, complaints = await asked(world, capsys, "n", "retry", "batch", batch_id)

    assert code == 1
    assert f"Stops batch {batch_id} (submitted, openai:/v1/chat/completions:gpt-5-mini, jobs: 1)." in complaints
    assert "all its other jobs are sent again, without an attempt spent." in complaints
    assert "stop" not in (await world.batches())[0]


async def test_a_batch_that_was_never_sent_is_closed_at_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing at the provider to wait for."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await batch_under_way(world)
    (batch,) = await world.batches()

    code, output, _ = await operate(world, capsys, "cancel", "batch", batch["id"], "--yes")

    assert (code, f"Batch {batch['id']} is closed: cancelled." in output) == (0, True)


async def test_while_the_provider_is_away_the_wish_is_on_record(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next tick goes on with it, and the operator need do nothing more."""
    batch_id = await batch_under_way(world)
    (remote_id,) = world.provider.batches
    world.provider.faults.add(RequestFault("POST", f"/v1/batches/{remote_id}/cancel", status=503))

    code, output, _ = await operate(world, capsys, "cancel", "batch", batch_id, "--yes")

    assert code == 0
    assert f"It is on record that batch {batch_id} stops; the next tick goes on with it" in " ".join(output.split())
    world.provider.release()
    assert await world.tick() == 200
    await world.finish()
    assert (await world.job("job-1"))["status"] in {"cancelled", "completed"}
    await assert_promises_kept(world)


async def test_a_batch_that_stays_leased_is_not_stopped(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The command tries for some seconds; then it says so, and has changed nothing."""
    world.bound(lease_pause_seconds=0)
    batch_id = await batch_under_way(world)
    runtime = world.operators_runtime()
    found = await batches.find(runtime, batch_id)
    assert found
    await transitions.take(runtime, found).lease.on_record()

    code, _, complaints = await operate(world, capsys, "retry", "batch", batch_id, "--yes")

    assert code == 2
    assert f"Another process has the lease of batch {batch_id}; nothing was changed." in complaints
    assert "stop" not in (await world.batches())[0]


async def test_a_job_is_run_again_and_its_price_is_printed_before(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """It failed and was refunded, so it costs nothing."""
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), times=1))
    await world.give("alice", 1)
    await world.submit("alice", "job-1")
    await world.finish()

    code, output, complaints = await asked(world, capsys, "y", "retry", "job", "job-1")

    assert code == 0
    assert "which is failed: its tokens were returned, and it costs nothing. Its notification is deleted." in complaints
    assert "Job job-1 is queued; the next tick submits it, if no trigger does." in output
    await world.finish()
    assert (await world.job("job-1"))["status"] == "completed"
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    "arguments",
    [
        *(("retry", "job", "job-1"), ("retry", "job", "unknown"), ("retry", "jobs", "--code", "provider_refused")),
        *(("cancel", "job", "job-1"), ("cancel", "batch", "unknown"), ("retry", "batch", "unknown")),
        ("erase", "nobody"),
    ],
    ids=" ".join,
)
async def test_nothing_is_asked_where_nothing_would_be_done(
    world: World, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """The job is completed, the other ids are unknown: each command says so at once."""
    await world.give("alice", 1)
    await world.submit("alice", "job-1")
    await world.finish()

    _, output, complaints = await asked(world, capsys, "y", *arguments)

    assert "[y/N]" not in complaints
    assert "Type" not in complaints
    assert output + complaints


async def test_a_retried_job_that_is_cancelled_gives_nothing_back(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its retry was free, so the question does not speak of tokens that come back."""
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), times=1))
    await world.give("alice", 1)
    await world.submit("alice", "job-1")
    await world.finish()
    await operate(world, capsys, "retry", "job", "job-1", "--yes")

    code, output, complaints = await asked(world, capsys, "y", "cancel", "job", "job-1")

    assert code == 0
    assert "its tokens were returned before." in complaints
    assert "its tokens were returned before." in " ".join(output.split())
    assert (await world.read("wallets/alice"))["balance"] == 1
    await assert_promises_kept(world)


async def test_a_job_in_real_time_is_left_to_the_next_sweep(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not queued for a batch again."""
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), times=1))
    await world.give("alice", 5)
    await world.submit("alice", "job-1", speed="instant")

    code, output, _ = await operate(world, capsys, "retry", "job", "job-1", "--yes")

    assert code == 0
    told = "Job job-1 is processing; the next sweep answers it in real time, within a minute."
    assert told in " ".join(output.split())
    assert await world.sweep() == 200
    await assert_promises_kept(world)


async def test_a_job_that_is_refused_again_says_why(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """There are still no tokens."""
    await world.submit("alice", "job-1")

    code, output, complaints = await operate(world, capsys, "retry", "job", "job-1", "--yes", "--json")

    assert code == 1
    told = {"jobId": "job-1", "status": "failed", "errorCode": "insufficient_tokens"}
    *_, job, error = map(json.loads, output.splitlines())
    assert job == {"job": told}
    assert error["error"]["message"] == "Job job-1 was refused again: insufficient_tokens."
    assert complaints == ""
