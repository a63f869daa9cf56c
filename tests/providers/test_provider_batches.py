"""Batches that end oddly at the provider, late, or never. No job is lost by it, or sent twice."""

import json
from datetime import timedelta
from typing import IO, Any

import pytest

from local.openai_server import BatchFault, RequestFault
from nightshift.providers.base import Intent, RemoteBatch
from nightshift.providers.openai.client import OpenAIProvider
from tests.support.promises import assert_promises_kept
from tests.support.world import World

ODD_FIELDS: list[dict[str, Any]] = [
    {"metadata": "x"},
    {"metadata": ["x"]},
    {"created_at": "2026-01-01T00:00:00Z"},
    {"created_at": 10**15},
    {"completed_at": "soon"},
    {"request_counts": "many"},
    {"request_counts": {}},
    {"usage": "none"},
    {"usage": {"input_tokens": "5", "output_tokens": 10**30}},
    {"errors": {"data": [None]}},
    {"errors": [1]},
]


@pytest.mark.parametrize("odd", ODD_FIELDS, ids=json.dumps)
async def test_a_batch_with_odd_fields_is_read_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, odd: dict[str, Any]
) -> None:
    """The SDK does not validate: whatever stands in a field, other batches are not held up, nor is this one lost."""
    read = OpenAIProvider._remote

    def spoiled(provider: OpenAIProvider, batch: Any) -> Any:
        return read(provider, type(batch).construct(**{**batch.to_dict(), **odd}))

    monkeypatch.setattr(OpenAIProvider, "_remote", spoiled)
    await world.give("alice", 2)
    job_id = await world.submit("alice")

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"


async def test_one_404_on_a_running_batch_does_not_send_it_twice(world: World) -> None:
    """Only a batch that stays unknown beyond its window is given up."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice")
    world.provider.faults.add(
        RequestFault("GET", "/v1/batches/.*", status=404, times=None),
        RequestFault("GET", "/v1/batches", status=500, times=None),
    )
    world.pass_time(hours=2)
    assert await world.tick() == 200
    world.provider.faults.clear()
    world.provider.release()

    await world.finish()

    assert len(world.provider.batches) == 1


async def test_a_batch_that_the_provider_never_ends_is_cancelled_and_then_sent_again(world: World) -> None:
    """After two days the tick cancels it. Its jobs go out again only when it has ended, so none is in two batches."""
    world.provider.hold("in_progress")
    world.provider.hold("cancelling")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    world.pass_time(hours=49)

    assert await world.tick() == 200
    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "processing"
    world.provider.release()
    await world.provider.settled()
    world.pass_time(hours=-49)
    await world.finish()

    assert [batch["status"] for batch in await world.batches()] == ["cancelled", "completed"]
    assert (await world.job(job_id))["attempts"] == 2
    await assert_promises_kept(world)


async def test_a_batch_that_not_even_a_cancel_ends_is_given_up(world: World) -> None:
    """After three days its jobs are sent again whatever the provider says of it."""
    world.provider.hold("in_progress")
    world.provider.hold("cancelling")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    world.pass_time(hours=73)
    assert await world.tick() == 200
    world.pass_time(hours=-73)
    world.provider.release()
    await world.provider.settled()

    await world.finish()

    assert (await world.batches())[0]["status"] == "expired"
    assert (await world.job(job_id))["status"] == "completed"


async def test_a_batch_that_waited_long_for_the_provider_gets_its_whole_window(world: World) -> None:
    """Patience is counted from the submission: days of outage before it do not count."""
    world.provider.hold("in_progress")
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    batch = (await world.batches())[0]
    long_ago = batch["createdAt"] - timedelta(days=3)
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"createdAt": long_ago})

    for _ in range(3):
        assert await world.tick() == 200
    world.provider.release()
    await world.finish()

    assert len(world.provider.batches) == 1
    assert (await world.job(job_id))["attempts"] == 1


async def test_a_batch_says_why_it_failed(world: World) -> None:
    """The provider's code and words stand on the batch, for operators."""
    world.provider.faults.add(BatchFault(fail_code="invalid_json_line", fail_message="line 3 is no JSON"))
    await world.give("alice", 1)
    await world.submit("alice")
    await world.finish()

    failed, completed = await world.batches()
    assert (failed["errorCode"], failed["errorMessage"]) == ("invalid_json_line", "line 3 is no JSON")
    assert "errorCode" not in completed
    assert completed["createdAt"] - failed["createdAt"] < timedelta(minutes=1)


@pytest.mark.parametrize(
    "code",
    [
        *("invalid_json_line", "duplicate_custom_id", "url_mismatch", "model_mismatch", "empty_file"),
        *("too_many_tasks", "server_error", "a code that no set knows"),
    ],
)
async def test_a_batch_that_fails_once_is_sent_again(world: World, code: str) -> None:
    """No lane is held up. What is wrong with its lines costs an attempt, and nothing else does."""
    world.provider.faults.add(BatchFault(fail_code=code))
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    await world.finish()

    assert [batch.get("errorCode") for batch in await world.batches()] == [code, None]
    job = await world.job(job_id)
    is_own = code not in {"server_error", "a code that no set knows"}
    assert (job["status"], job["attempts"]) == ("completed", 2 if is_own else 1)
    await assert_promises_kept(world)


async def test_a_full_queue_keeps_the_last_attempt(world: World) -> None:
    """However often the queue is full, the job's one attempt is not spent on it, and the lane waits each time."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded", times=4))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    for refusals in range(1, 5):
        await world.provider.settled()
        assert await world.tick() == 200
        assert await world.tick() == 200
        job = await world.job(job_id)
        assert (job["status"], job["attempts"], len(world.provider.batches)) == ("queued", 0, refusals)
        world.pass_time(minutes=31)
        assert await world.tick() == 200

    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    await assert_promises_kept(world)


@pytest.mark.parametrize("ending", ["cancelled", "expired"])
async def test_what_was_answered_before_an_early_end_is_delivered(world: World, ending: str) -> None:
    """Cancelled by a person or out of time: finished answers were paid for and count, the others go again."""
    world.provider.hold("in_progress", answered=2)
    await world.give("alice", 5)
    for _ in range(5):
        await world.write("alice")
    world.pass_time(seconds=121)
    assert await world.tick() == 200
    await world.provider.settled()
    remote_id = (await world.batches())[0]["remoteId"]

    if ending == "cancelled":
        await world.cancel_at_provider(remote_id)
    else:
        await world.provider.expire(remote_id, answered=2)
    await world.provider.settled()
    assert await world.tick() == 200

    early = (await world.batches())[0]
    assert early["status"] == ending
    assert early["counts"] == {"completed": 2, "failed": 0, "retried": 3, "cancelled": 0}
    assert world.provider.batches[remote_id].request_counts.failed == 0, "the others are not counted by the provider"
    world.provider.release()
    await world.finish()
    assert sorted(job["attempts"] for job in (await world.jobs("completed")).values()) == [1, 1, 2, 2, 2]
    await assert_promises_kept(world)


async def test_two_batches_under_one_id_end_both(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider answers a second create with the first one's id: the second batch's jobs go again."""
    create = OpenAIProvider.create
    made: list[RemoteBatch] = []

    async def repeating(provider: OpenAIProvider, intent: Intent, content: IO[bytes] | None) -> RemoteBatch:
        made.append(await create(provider, intent, content) if len(made) != 1 else made[0])
        return made[-1]

    monkeypatch.setattr(OpenAIProvider, "create", repeating)
    world.provider.hold("in_progress")
    await world.give("alice", 2)
    first, second = await world.submit("alice"), await world.submit("alice")
    world.provider.release()
    await world.provider.settled()
    assert await world.tick() == 200
    world.pass_time(minutes=31)

    await world.finish()

    assert (await world.job(first))["attempts"] == 1
    assert (await world.job(second))["attempts"] == 2
    await assert_promises_kept(world)
