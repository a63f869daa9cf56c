"""A provider that keeps no stamp: a lost batch is adopted by evidence, proven by its results, or given back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.audit import provider
from cli.audit.scope import Scope
from local.provider_server.faults import RequestFault
from nightshift.batches import evidence
from nightshift.batches.documents import batch_from
from nightshift.providers.base import RemoteBatch
from tests.support.promises import assert_promises_kept
from tests.support.world import World

_CREATE = r"/v1/messages/batches"
_HEADERS = {"x-api-key": "test-key", "anthropic-version": "2026-10-21"}
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
async def anthropic(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world whose model is Anthropic's."""
    async with World(monkeypatch, "anthropic").running() as running:
        yield running


async def test_a_batch_whose_creation_went_unheard_is_adopted_and_proven(anthropic: World) -> None:
    """It is paid once; its document says that it is not proven, until its results have."""
    world = anthropic
    await world.give("alice", 1)
    world.provider.faults.add(RequestFault("POST", _CREATE, when="after", reset=True))
    world.provider.hold("in_progress")
    job_id = await world.submit("alice")
    world.pass_time(minutes=3)

    assert await world.tick() == 200

    (batch,) = await world.batches()
    assert (batch["status"], batch["isUnproven"]) == ("submitted", True)
    assert list(world.provider.batches) == [batch["remoteId"]]
    world.provider.release()
    await world.finish()
    assert (await world.job(job_id))["status"] == "completed"
    assert (await world.job(job_id))["attempts"] == 1
    assert not world.provider.batches, "nothing is left at the provider"
    await assert_promises_kept(world)


async def test_a_double_that_another_create_made_is_cancelled(anthropic: World) -> None:
    """The first lands only when the second was sent: one is on record, the other ends without a further answer."""
    world = anthropic
    await world.give("alice", 1)
    world.provider.faults.add(RequestFault("POST", _CREATE, when="after", reset=True))
    world.provider.hold("in_progress")
    await world.submit("alice")
    (first,) = world.provider.batches.values()
    # Not to be seen by the look that would have found it.
    first.hidden_listings = 1
    world.pass_time(minutes=6)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    assert len(world.provider.batches) == 2
    assert batch["remoteId"] != first.id
    world.pass_time(minutes=10)

    assert await world.tick() == 200

    assert first.status in {"cancelling", "cancelled"}
    world.provider.release()
    await world.finish()
    await assert_promises_kept(world)


async def test_a_batch_of_another_project_is_given_back_when_its_results_name_others(anthropic: World) -> None:
    """It fits by number and time; its results prove that it is not ours, before a line of it is settled."""
    world = anthropic
    await world.give("alice", 1)
    # The create never lands, and in its time another program makes a batch of one request.
    world.provider.faults.add(RequestFault("POST", _CREATE, when="before", reset=True))
    job_id = await world.submit("alice")
    stranger = await _stranger(world)
    world.pass_time(minutes=3)
    await world.provider.settled()
    assert await world.tick() == 200
    (batch,) = await world.batches()
    assert batch.get("remoteId") != stranger, "it has ended, so it proved at once that it is not ours"
    world.pass_time(minutes=10)

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"
    assert (await world.job(job_id))["attempts"] == 1
    assert stranger in world.provider.batches, "it is not ours to delete"
    await _take_away(world, stranger)
    await assert_promises_kept(world)


async def test_a_wrong_batch_that_was_adopted_while_it_ran_is_disowned(anthropic: World) -> None:
    """Its end proves it; the jobs are sent at once, and lose no attempt."""
    world = anthropic
    await world.give("alice", 1)
    world.provider.faults.add(RequestFault("POST", _CREATE, when="before", reset=True))
    job_id = await world.submit("alice")
    world.provider.hold("in_progress")
    stranger = await _stranger(world)
    world.pass_time(minutes=3)
    assert await world.tick() == 200
    (batch,) = await world.batches()
    assert batch["remoteId"] == stranger
    world.provider.release()
    await world.provider.settled()
    world.pass_time(minutes=10)

    await world.finish()

    (batch,) = await world.batches()
    assert batch["disowned"] == [stranger]
    assert batch["remoteId"] != stranger
    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert stranger in world.provider.batches, "it is not ours to delete"
    await _take_away(world, stranger)
    await assert_promises_kept(world)


async def test_the_audit_names_a_batch_that_no_document_explains(anthropic: World) -> None:
    """And lets it be: whose it is only a person knows. One on record is no finding."""
    world = anthropic
    await world.give("alice", 1)
    world.provider.hold("in_progress")
    await world.submit("alice")
    world.pass_time(hours=1)
    stranger = await _stranger(world)
    scope = Scope(runtime=world.operators_runtime(), grace=timedelta(minutes=-5))

    found = [finding async for finding in provider.findings(scope)]

    assert [finding.subject for finding in found] == [f"provider batch {stranger}"]
    assert found[0].undecided
    (batch,) = await world.batches()
    assert scope.live_at_provider == {batch["id"]}


async def _stranger(world: World) -> str:
    """A batch that another program makes in the same Workspace; returns its id."""
    params = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    body: Any = {"requests": [{"custom_id": "job-of-another", "params": params}]}
    answer = await world._http.post(f"{world.base_url}{_CREATE}", json=body, headers=_HEADERS)
    return str(answer.raise_for_status().json()["id"])


async def _take_away(world: World, remote_id: str) -> None:
    """Delete it, as its own program does."""
    answer = await world._http.delete(f"{world.base_url}{_CREATE}/{remote_id}", headers=_HEADERS)
    answer.raise_for_status()


def _batch(**fields: Any) -> Any:
    sent = {"creates": 1, "createSentAt": NOON, "createLandsBy": NOON + timedelta(minutes=5)}
    document = {"status": "sealed", "lane": "anthropic:/v1/messages:m", "jobCount": 3, "createdAt": NOON}
    return batch_from("ns-1", document | sent | fields)


_REMOTE = RemoteBatch(
    remote_id="msgbatch_1",
    batch_id=None,
    requests=3,
    created_at=NOON + timedelta(minutes=1),
    outcome=None,
    output_file_id=None,
    error_file_id=None,
    completed=None,
    usage=None,
    error_code=None,
    error_message="",
    trouble=None,
    is_cancelling=False,
)


@pytest.mark.parametrize(
    ("remote", "fields", "may_be", "may_double"),
    [
        (_REMOTE, {}, True, False),
        (_REMOTE, {"creates": 2}, True, True),
        (replace(_REMOTE, requests=4), {"creates": 2}, False, False),
        (replace(_REMOTE, requests=2), {"creates": 2, "requestCount": 2}, True, True),
        (replace(_REMOTE, created_at=NOON - timedelta(minutes=3)), {"creates": 2}, False, False),
        (replace(_REMOTE, created_at=NOON + timedelta(minutes=9)), {"creates": 2}, False, True),
        (replace(_REMOTE, created_at=None), {"creates": 2}, False, False),
        (_REMOTE, {"creates": 2, "disowned": ["msgbatch_1"]}, False, False),
        (_REMOTE, {"creates": 0, "createSentAt": None, "createLandsBy": None}, False, False),
    ],
)
def test_what_fits_is_as_large_and_was_made_in_time(
    remote: RemoteBatch, fields: dict[str, Any], may_be: bool, may_double: bool
) -> None:
    """A double may come later, but never of a batch for which one create was sent."""
    batch = _batch(**fields)
    assert evidence.may_be(batch, remote) is may_be
    assert evidence.may_double(batch, remote) is may_double
