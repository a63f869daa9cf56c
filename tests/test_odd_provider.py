"""What no well-behaved provider sends. None of it may stop a job, or send one twice."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from openai.resources.files import AsyncFiles

from local.openai_server import BatchFault, RequestFault
from local.openai_server.batches import Batch
from nightshift.journey import assemble
from nightshift.providers.base import RemoteBatch
from nightshift.providers.openai import OpenAIProvider, _until_repeated
from tests.promises import assert_promises_kept
from tests.test_crashes import create_at_provider
from tests.world import World

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


@pytest.mark.parametrize("stamp", ["a/b", "__x__", "..", "ns-" + "x" * 20])
async def test_a_stray_with_a_strange_stamp_is_cancelled(world: World, stamp: str) -> None:
    """A stamp is no trusted document id."""
    world.provider.hold("in_progress")
    stray = await create_at_provider(world, {"nightshift_batch": stamp})

    assert await world.tick() == 200
    await world.provider.settled()

    assert world.provider.batches[stray].status == "cancelled"


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_without_a_listing_the_batches_go_on(world: World, status: int) -> None:
    """Each open batch is asked for by itself then."""
    world.provider.faults.add(RequestFault("GET", "/v1/batches", status=status, times=None))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()

    assert await world.tick() == 200

    assert (await world.job(job_id))["status"] == "completed"


async def test_a_stray_that_cannot_be_cancelled_stops_nothing(world: World) -> None:
    """Its cancel is tried again by every tick; the others are polled and ingested meanwhile."""
    world.provider.hold("in_progress")
    await create_at_provider(world, {"nightshift_batch": "stray"})
    world.provider.release()
    world.provider.hold("finalizing")
    world.provider.faults.add(RequestFault("POST", "/v1/batches/.*/cancel", status=403, times=None))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    world.provider.release()
    await world.provider.settled()

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"


@pytest.mark.parametrize("status", [400, 500])
async def test_a_file_that_can_never_be_deleted_keeps_a_batch_open_for_a_while_only(world: World, status: int) -> None:
    """The answers are delivered at once; the batch is closed in the end."""
    world.provider.faults.add(RequestFault("DELETE", "/v1/files/.*", status=status, times=None))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()

    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "completed"
    world.pass_time(hours=73)
    await world.finish()


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_result_file_that_can_never_be_read_is_given_up(world: World, status: int) -> None:
    """It is tried for a day at most; then its jobs are sent again."""
    fault = RequestFault("GET", "/v1/files/.*/content", status=status, times=None)
    world.provider.faults.add(fault)
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "processing"

    world.pass_time(hours=25)
    assert await world.tick() == 200
    world.provider.faults.clear()
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    await assert_promises_kept(world)


@pytest.mark.parametrize("path", ["/v1/files/[^/]*", "/v1/files/.*/content"])
async def test_an_output_file_that_is_not_visible_at_once_is_waited_for(world: World, path: str) -> None:
    """One 404 does not throw answers away that were paid for."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    world.provider.faults.add(RequestFault("GET", path, status=404, times=1))

    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)


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
    """After two days it is told to stop; only when it has, its jobs go out again, so no job is in two live batches."""
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


@pytest.mark.parametrize("stated", [10**6, 1, 0, None, "many"])
async def test_a_wrong_file_size_discards_no_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, stated: object
) -> None:
    """A file ends where the provider has nothing more to give, whatever size it states."""
    read = AsyncFiles.retrieve

    async def misstated(files: AsyncFiles, file_id: str, **options: Any) -> Any:
        return (await read(files, file_id, **options)).model_copy(update={"bytes": stated})

    monkeypatch.setattr(AsyncFiles, "retrieve", misstated)
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    await world.finish()

    assert (await world.job(job_id))["attempts"] == 1


async def test_a_listing_that_goes_in_circles_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that leads back into the listing is noticed, wherever it leads."""
    pages = [["a", "b"], ["c", "d"], ["b", "e"], ["c", "d"]]

    async def circling() -> AsyncIterator[Any]:
        while True:
            for page in pages:
                for name in page:
                    yield SimpleNamespace(id=name)

    assert [listed.id async for listed in _until_repeated(circling())] == ["a", "b", "c", "d"]


async def test_a_lost_create_is_adopted_past_batches_without_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's odd batch, newer than ours, does not hide ours."""
    world.provider.hold("in_progress")
    world.provider.faults.add(RequestFault("POST", "/v1/batches", when="after", reset=True))
    await world.give("alice", 1)
    await world.submit("alice")
    strange = await create_at_provider(world, {})
    read = OpenAIProvider._remote

    def timeless(provider: OpenAIProvider, batch: Any) -> RemoteBatch:
        remote = read(provider, batch)
        return replace(remote, created_at=None) if batch.id == strange else remote

    monkeypatch.setattr(OpenAIProvider, "_remote", timeless)

    assert await world.tick() == 200

    assert len(world.provider.batches) == 2


async def test_a_lost_create_is_looked_for_even_when_the_file_is_said_to_be_gone(world: World) -> None:
    """The first batch was made unheard; a later 404 for its file does not make anybody forget it."""
    world.provider.hold("in_progress")
    world.provider.faults.add(
        BatchFault(hidden_listings=2),
        RequestFault("POST", "/v1/batches", when="after", reset=True),
        RequestFault("POST", "/v1/batches", status=404, times=3),
    )
    await world.give("alice", 1)
    await world.submit("alice")

    assert await world.tick() == 200
    assert await world.tick() == 200

    assert len(world.provider.batches) == 1


async def test_after_a_full_queue_one_batch_at_a_time_finds_out_what_fits(world: World) -> None:
    """Eight refused requests do not come back at once as four and four."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 20)
    await world.submit("alice")
    await world.finish()
    for _ in range(8):
        await world.submit("alice")
    world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded"))
    for _ in range(2):
        assert await world.tick() == 200
        await world.provider.settled()
    world.pass_time(minutes=31)

    assert await world.tick() == 200

    assert [batch["jobCount"] for batch in await world.batches()] == [1, 8, 4]


async def test_a_learned_limit_is_forgotten_once_it_limits_nothing(world: World) -> None:
    """After enough submissions that fit, the lane sends as many batches at once as its jobs fill."""
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_MAX_BATCH_REQUESTS="4")
    await world.give("alice", 20)
    await world.submit("alice")
    lane = next(iter(await world.documents("lanes")))
    await world.firestore.collection("lanes").document(lane).update({"mostRequests": 1})
    for _ in range(13):
        await world.submit("alice")

    for _ in range(3):
        assert await world.tick() == 200

    assert [batch["jobCount"] for batch in await world.batches()] == [1, 1, 2, 4, 4, 2]
    assert "mostRequests" not in (await world.documents("lanes"))[lane]


async def test_jobs_that_are_refused_in_the_queue_do_not_hold_up_those_behind_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole page of jobs without their image fails, and what waits behind it goes in the same tick."""
    monkeypatch.setattr(assemble, "_PAGE", 2)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    await world.give("alice", 9)
    photo = await world.upload("alice")
    await world.submit("alice")
    for _ in range(4):
        await world.submit("alice", type="photo_rating", priority=9, input={"imageUri": photo})
    behind = await world.submit("alice")
    await world.delete_upload(photo)

    assert await world.tick() == 200

    assert (await world.job(behind))["status"] == "processing"
    await world.finish()
    assert len(await world.jobs("failed")) == 4
    await assert_promises_kept(world)


async def test_an_empty_output_file_is_an_output_without_lines(world: World) -> None:
    """Its jobs have no answer and are sent again."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    emptied: list[str] = []

    def empty_once(batch: Batch, lines: list[bytes]) -> list[bytes]:
        emptied.append(batch.id)
        return [] if len(emptied) == 1 else lines

    world.provider.script.edit_output = empty_once
    world.provider.hold("finalizing")
    world.provider.release()

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"


async def test_lines_with_reserved_ids_and_absurd_counts_spoil_nothing(world: World) -> None:
    """Firestore knows no document `__x__` and no integer above 64 bits; the other lines are settled."""

    def spoil(_: Batch, lines: list[bytes]) -> list[bytes]:
        absurd = json.loads(lines[0])
        absurd["response"]["body"]["usage"] = {"prompt_tokens": 10**19, "completion_tokens": -5}
        return [json.dumps({**absurd, "custom_id": "job-__x__"}).encode(), json.dumps(absurd).encode()]

    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    world.provider.script.edit_output = spoil
    world.provider.release()

    await world.finish()

    assert (await world.job(job_id))["usage"] == {"inputTokens": 0, "outputTokens": 0}
    await assert_promises_kept(world)


async def test_a_line_longer_than_any_answer_is_passed_over(world: World) -> None:
    """A line of 20 MB is malformed, and the one after it counts."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    world.provider.script.edit_output = lambda _, lines: [b'"' + b"x" * 20_000_000 + b'"', *lines]
    world.provider.release()

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"
    assert (await world.batches())[0]["malformedLines"] == 1


async def test_while_the_key_is_wrong_an_operator_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong key or no credit is an error in the log; the jobs wait, and no attempt is spent."""
    refused = {"error": {"message": "m", "type": "t", "param": None, "code": "billing_hard_limit_reached"}}
    world.provider.faults.add(
        RequestFault("POST", "/v1/batches", status=401), RequestFault("POST", "/v1/batches", status=400, body=refused)
    )
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    assert await world.tick() == 200

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    left = [event for event in events if event["message"] == "left_to_the_next_tick"]
    assert [(event["severity"], event["error"]) for event in left] == [("ERROR", "ProviderLocked")] * 2
    await world.finish()
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
