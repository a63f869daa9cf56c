"""A provider that does not let us in, has no room, or does not answer what it was asked. It costs no attempt."""

import json
import re
from typing import Any

import httpx2
import pytest

from local.openai_server import BatchFault, RequestFault
from nightshift.providers.openai.client import OpenAIProvider
from tests.support.promises import assert_promises_kept
from tests.support.world import World

CALLS = {
    "upload": ("POST", "/v1/files"),
    "create": ("POST", "/v1/batches"),
    "listing": ("GET", "/v1/batches"),
    "batch": ("GET", "/v1/batches/.+"),
    "file": ("GET", "/v1/files/[^/]+"),
    "files": ("GET", "/v1/files"),
}
ODD_ANSWERS = {
    "a web page": b"<html>We will be back soon.</html>",
    "half a JSON": b'{"id": "x',
    "null": b"null",
    "bad UTF-8": b'{"id": "\xff"}',
}


@pytest.mark.parametrize("odd", ODD_ANSWERS)
@pytest.mark.parametrize("call", CALLS)
async def test_an_answer_that_cannot_be_read_costs_nothing_but_time(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: str, odd: str
) -> None:
    """It is a 200 and not what was asked for: nothing is lost, repeated or called a bug."""
    if call == "batch":
        world.provider.faults.add(RequestFault("GET", "/v1/batches", status=500, times=None))
    await world.give("alice", 1)
    with monkeypatch.context() as patched:
        answer_for_the_provider(patched, *CALLS[call], ODD_ANSWERS[odd])
        job_id = await world.submit("alice")
        await world.provider.settled()
        assert await world.tick() == 200
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        if call in {"listing", "files"}:
            assert (await world.job(job_id))["status"] == "completed"
    world.provider.faults.clear()
    world.pass_time(minutes=3)

    await world.finish()
    assert await world.tick() == 200

    assert "duty_failed" not in {event["message"] for event in events}
    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    await assert_promises_kept(world)


async def test_an_upload_that_is_given_no_id_costs_no_attempt(world: World) -> None:
    """Nothing can be created from it; it is uploaded again."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", when="after", status=200, body={"object": "file"}))
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    await world.finish()
    assert await world.tick() == 200

    assert (await world.job(job_id))["attempts"] == 1
    await assert_promises_kept(world)


UNHOLDABLE = "\ud800" + "x" * 2_000_000


async def test_a_refusal_in_words_that_no_document_can_hold_is_a_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a character and two megabytes: what can be kept of it is, and the jobs go again."""
    said = json.dumps({"error": {"message": UNHOLDABLE, "code": UNHOLDABLE}}).encode()
    await world.give("alice", 1)
    with monkeypatch.context() as patched:
        answer_for_the_provider(patched, *CALLS["create"], said, status=400)
        job_id = await world.submit("alice")
        assert await world.tick() == 200

    await world.finish()
    assert await world.tick() == 200

    assert (await world.job(job_id))["status"] == "completed"
    assert (await world.batches())[0]["errorCode"].startswith("?xxx")
    await assert_promises_kept(world)


async def test_a_failure_in_words_that_no_document_can_hold_ends_its_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would otherwise be read again by every tick, for ever."""
    read = OpenAIProvider._remote

    def explained(provider: OpenAIProvider, batch: Any) -> Any:
        errors = {"data": [{"code": UNHOLDABLE, "message": UNHOLDABLE}]} if batch.status == "failed" else None
        return read(provider, type(batch).construct(**{**batch.to_dict(), "errors": errors}))

    monkeypatch.setattr(OpenAIProvider, "_remote", explained)
    world.provider.faults.add(BatchFault(fail_code="invalid_json_line"))
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    await world.finish()

    assert [batch["status"] for batch in await world.batches()] == ["failed", "completed"]
    assert (await world.job(job_id))["attempts"] == 1
    await assert_promises_kept(world)


async def test_a_wrong_key_is_an_error_for_the_operator(world: World, capsys: pytest.CaptureFixture[str]) -> None:
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


def answer_for_the_provider(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str, content: bytes, *, status: int = 200
) -> None:
    """Answer these requests with this content; they do not reach the provider."""
    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def answering(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        if request.method != method or not re.fullmatch(path, request.url.path):
            return await real(transport, request)
        headers = {"content-type": "text/html" if content.startswith(b"<") else "application/json"}
        return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(content))

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", answering)
