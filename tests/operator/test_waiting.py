"""Why a batch waits: the last error of its step is on its document, and wherever an operator looks."""

import pytest

from local.openai_server import RequestFault
from tests.support.auditing import run_audit
from tests.support.operating import operate
from tests.support.promises import assert_promises_kept
from tests.support.world import World

NO_FILES = "the provider answered 404 armed_fault: is its address right?"


async def test_a_server_without_files_is_named_wherever_the_batch_is_shown(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file endpoint answers 404: job, batches, stats and audit say so; once it works, nothing is left of it."""
    fault = RequestFault("POST", "/v1/files", status=404, times=None)
    world.provider.faults.add(fault)
    await world.give("alice", 1)
    await world.submit("alice", "job-1")

    (batch,) = await world.batches()
    first = batch["lastError"]
    assert (first["reason"], first["needsOperator"], first["since"]) == (NO_FILES, False, first["at"])
    assert (await run_audit(world, capsys)).findings == []
    world.pass_time(minutes=30)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    assert batch["lastError"]["since"] == first["since"] < batch["lastError"]["at"]
    for arguments in (("job", "job-1"), ("batches",), ("stats",)):
        _, output, _ = await operate(world, capsys, *arguments)
        assert f"Its step fails: {NO_FILES}" in " ".join(output.split())
    (found,) = (await run_audit(world, capsys)).findings
    assert found["subject"] == f"ai_batches/{batch['id']}"
    assert NO_FILES in found["finding"]

    world.provider.faults.clear()
    await world.finish()
    (batch,) = await world.batches()
    assert (batch["status"], "lastError" in batch) == ("completed", False)
    await assert_promises_kept(world)


async def test_a_provider_that_is_away_is_noted_once_and_forgotten_when_it_is_back(world: World) -> None:
    """While the provider is at work a look writes nothing; its absence is written once, however many ticks see it."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice", "job-1")
    path = f"ai_batches/{(await world.batches())[0]['id']}"
    world.provider.faults.add(RequestFault("GET", "/v1/batches.*", status=503, times=None))

    assert await world.tick() == 200
    noted = await world.firestore.document(path).get()
    assert await world.tick() == 200
    again = await world.firestore.document(path).get()
    world.provider.faults.clear()
    assert await world.tick() == 200

    assert noted.get("lastError.reason").startswith("the provider answered 503")
    assert again.update_time == noted.update_time
    assert "lastError" not in ((await world.firestore.document(path).get()).to_dict() or {})
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)
