"""A job's id is used again, by another user, after the job has expired: what the first one had stays its own."""

from typing import Any

import pytest

from nightshift.jobs.ends import id_beside
from tests.bulk.test_batch_mode import run_to_the_end
from tests.support.operating import operate
from tests.support.promises import assert_audit_is_clean
from tests.support.world import World

ID = "used-before"
BOBS = id_beside(ID, "bob")


async def _alices(world: World, **fields: Any) -> dict[str, dict[str, Any]]:
    """What is left of a job of alice's that has ended and expired, by its path."""
    await world.give("alice", 5)
    await world.submit("alice", ID, **fields)
    await world.finish()
    await world.firestore.document(f"ai_jobs/{ID}").delete()
    return await _left(world)


async def _left(world: World) -> dict[str, dict[str, Any]]:
    paths = [f"classifications/{ID}", f"notifications/{ID}"]
    paths += [f"wallets/alice/ledger/{ID}.{kind}" for kind in ("charge", "refund")]
    return {path: await world.read(path) for path in paths}


@pytest.mark.parametrize("speed", ["batch", "instant"])
async def test_the_second_job_is_answered_and_the_first_answer_stays(
    world: World, capsys: pytest.CaptureFixture[str], speed: str
) -> None:
    """Each user has a notification and a classification; the operator's commands find the right ones."""
    before = await _alices(world)
    assert before[f"classifications/{ID}"]["userId"] == "alice"
    await world.give("bob", 5)

    await world.submit("bob", ID, speed=speed, input={"text": "a banana peel"})
    await world.finish()

    assert await _left(world) == before
    job = await world.job(ID)
    assert (job["status"], job["userId"]) == ("completed", "bob")
    classification = await world.read(f"classifications/{BOBS}")
    assert (classification["userId"], classification["jobId"]) == ("bob", ID)
    assert classification["result"] == job["result"]
    assert (await world.read(f"notifications/{BOBS}"))["userId"] == "bob"
    await assert_audit_is_clean(world)
    _, told, _ = await operate(world, capsys, "job", ID, "--json")
    assert "alice" not in told


async def test_what_fails_or_is_refused_tells_its_own_user_only(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused, run again and cancelled, erased: the first user's notification outlives it all."""
    before = await _alices(world, input={"text": "a job that is answered"})

    await world.submit("bob", ID)
    assert (await world.job(ID))["errorCode"] == "insufficient_tokens"
    assert await _left(world) == before
    assert (await world.read(f"notifications/{BOBS}"))["userId"] == "bob"
    await assert_audit_is_clean(world)

    await world.give("bob", 5)
    world.provider.hold("in_progress")
    assert (await operate(world, capsys, "retry", "job", ID, "--yes"))[0] == 0
    assert not await world.read(f"notifications/{BOBS}")
    assert (await operate(world, capsys, "cancel", "job", ID, "--yes"))[0] == 0
    assert (await world.job(ID))["status"] == "cancelled"
    assert await _left(world) == before
    assert (await world.read(f"notifications/{BOBS}"))["type"] == "job_cancelled"

    world.provider.release()
    await world.finish()
    assert (await operate(world, capsys, "erase", "bob", "--keep-account", "--yes"))[0] == 0
    assert await _left(world) == before
    assert not await world.read(f"notifications/{BOBS}")


async def test_ones_own_id_is_refused_as_before_and_says_so(world: World) -> None:
    """Its charge is there: nothing is charged twice, and the new notification replaces the old one."""
    before = await _alices(world)

    await world.submit("alice", ID)

    assert (await world.job(ID))["errorCode"] == "invalid_input"
    after = await _left(world)
    assert (after[f"notifications/{ID}"]["type"], after[f"notifications/{ID}"]["userId"]) == ("job_failed", "alice")
    assert after[f"classifications/{ID}"] == before[f"classifications/{ID}"]


async def test_many_jobs_of_used_ids_end_in_one_batch(world: World) -> None:
    """Some are used and some are not: all are answered, and no place is written twice."""
    await world.give("alice", 20)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    ids = [f"id-{number}" for number in range(8)]
    for job_id in ids[:4]:
        await world.submit("alice", job_id)
    world.pass_time(hours=2)
    await world.finish()
    for job_id in ids[:4]:
        await world.firestore.document(f"ai_jobs/{job_id}").delete()
    before = await world.documents("classifications")
    await world.give("bob", 20)
    for job_id in ids:
        await world.submit("bob", job_id)
    world.pass_time(hours=2)
    await world.finish()

    assert len(await world.jobs("completed")) == 8
    after = await world.documents("classifications")
    assert {job_id: after[job_id] for job_id in before} == before
    assert sum(each["userId"] == "bob" for each in after.values()) == 8
    await assert_audit_is_clean(world)


async def test_a_bulk_job_under_an_id_that_was_paid_before_ends_at_once(world: World) -> None:
    """The same user's has expired, and the ledger stays: its charge cannot be created again, however often."""
    await world.give("alice", 5)
    for _ in range(2):
        await world.start_bulk("alice", ID, items=[{"text": "a bottle"}], maxTokens=1)
        await run_to_the_end(world, ID)
        ended = await world.bulk(ID)
        await world.firestore.document(f"bulk_jobs/{ID}").delete()

    assert (ended["status"], ended["errorCode"]) == ("failed", "invalid_input")
    assert (await world.read("wallets/alice"))["balance"] == 4
