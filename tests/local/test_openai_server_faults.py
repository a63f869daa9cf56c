"""Faults of the OpenAI-compatible server: requests, answers, batches and files that go wrong on demand."""

import asyncio
import json
import time
from typing import Any

import httpx2
import openai
import pytest

from local.openai_server import BatchFault, FileFault, Reply, ReplyRule, RequestFault
from local.provider_server.batches import Batch
from tests.local.test_openai_server_rig import CHAT, Rig, jsonl, request_line, rig
from tests.support.patience import patience


async def create(running: Rig, input_file_id: str) -> Any:
    """Create a batch of an uploaded file."""
    return await running.client.batches.create(input_file_id=input_file_id, endpoint=CHAT, completion_window="24h")


async def test_a_request_refused_before_has_no_effect() -> None:
    """The armed status and headers come back once, no batch exists, and the next call works."""
    async with rig() as running:
        input_file_id = await running.upload(jsonl(request_line("a")))
        running.server.faults.add(RequestFault("POST", "/v1/batches", status=429, headers={"retry-after": "7"}))
        with pytest.raises(openai.RateLimitError) as refused:
            await create(running, input_file_id)
        assert refused.value.response.headers["retry-after"] == "7"
        assert not running.server.batches
        assert not running.server.faults.pending
        await create(running, input_file_id)
        assert len(running.server.batches) == 1
        assert [call.status for call in running.server.calls] == [200, 429, 200]


async def test_a_request_whose_answer_is_lost_has_taken_effect() -> None:
    """With when="after" the client sees a 500 and the batch exists nevertheless."""
    async with rig() as running:
        input_file_id = await running.upload(jsonl(request_line("a")))
        running.server.faults.add(RequestFault("POST", "/v1/batches", when="after", status=500))
        with pytest.raises(openai.InternalServerError):
            await create(running, input_file_id)
        assert len(running.server.batches) == 1


@pytest.mark.parametrize(("when", "batches"), [("before", 0), ("after", 1)])
async def test_a_connection_is_cut_without_an_answer(when: Any, batches: int) -> None:
    """The SDK sees a connection error; the effect is there only after, and the server goes on."""
    async with rig() as running:
        input_file_id = await running.upload(jsonl(request_line("a")))
        running.server.faults.add(RequestFault("POST", "/v1/batches", when=when, reset=True))
        with pytest.raises(openai.APIConnectionError) as cut:
            await create(running, input_file_id)
        assert isinstance(cut.value.__cause__, httpx2.RemoteProtocolError | httpx2.ReadError)
        assert len(running.server.batches) == batches
        assert running.server.calls[-1].status is None
        await running.client.batches.list()


async def test_an_upload_whose_answer_is_cut_is_stored() -> None:
    """The SDK's own retry after a lost answer makes a second file, as at the provider."""
    async with rig() as running:
        running.server.faults.add(RequestFault("POST", "/v1/files", when="after", reset=True))
        await running.client.with_options(max_retries=1).files.create(file=("a.jsonl", b"{}"), purpose="batch")
        assert len(running.server.files) == 2


async def test_a_download_is_cut_after_so_many_bytes() -> None:
    """The client got exactly that part and an error for the cut, and resumes with a range."""
    content = bytes(range(256)) * 1000
    async with rig() as running:
        file_id = await running.upload(content)
        running.server.faults.add(RequestFault("GET", "/v1/files/[^/]+/content", truncate_at=150_000))
        got = b""
        with pytest.raises(httpx2.RemoteProtocolError):
            async with running.client.files.with_streaming_response.content(file_id) as response:
                async for chunk in response.iter_bytes():
                    got += chunk
        assert got == content[:150_000]
        rest = await running.client.files.content(file_id, extra_headers={"Range": f"bytes={len(got)}-"})
        assert got + rest.content == content


async def test_a_clean_truncation_looks_complete() -> None:
    """With clean=True nothing but the file's own size tells that bytes are missing."""
    async with rig() as running:
        file_id = await running.upload(b"x" * 1000)
        running.server.faults.add(RequestFault("GET", "/v1/files/.*/content", truncate_at=300, clean=True))
        assert (await running.client.files.content(file_id)).content == b"x" * 300
        assert (await running.client.files.retrieve(file_id)).bytes == 1000


async def test_a_delayed_answer_outlasts_the_clients_patience() -> None:
    """The client times out, and the batch was created all the same."""
    async with rig() as running:
        input_file_id = await running.upload(jsonl(request_line("a")))
        running.server.faults.add(
            RequestFault("POST", "/v1/batches", when="after", status=None, delay_seconds=1),
            RequestFault("GET", "/v1/batches", status=None, delay_seconds=0.1),
        )
        # It waits for the answer alone, not for the connection.
        impatient = running.client.with_options(timeout=httpx2.Timeout(None, read=0.1))
        with pytest.raises(openai.APITimeoutError):
            await impatient.batches.create(input_file_id=input_file_id, endpoint=CHAT, completion_window="24h")
        async with patience():
            while not running.server.batches:  # noqa: ASYNC110 - the server sends no event
                await asyncio.sleep(0.01)
        assert len(running.server.batches) == 1
        before = time.monotonic()
        await running.client.batches.list()
        assert time.monotonic() - before >= 0.1


async def test_a_fault_strikes_as_often_as_it_says() -> None:
    """times=2 strikes twice, times=None until the faults are cleared."""
    async with rig() as running:

        async def status() -> int:
            return (await running.raw.get("/files")).status_code

        running.server.faults.add(RequestFault("GET", "/v1/files", times=2))
        assert [await status() for _ in range(3)] == [503, 503, 200]
        running.server.faults.add(RequestFault("*", "/v1/f.*", status=500, times=None))
        assert [await status() for _ in range(3)] == [500, 500, 500]
        running.server.faults.clear()
        assert await status() == 200


async def test_a_hook_scripts_single_lines() -> None:
    """Content, refusal, length, HTTP error, line error, a missing line and a duplicate come out as scripted."""
    replies = {
        "text": Reply(content="not json"),
        "json": Reply(content={"category": "glass"}),
        "refused": Reply.refuses("I will not."),
        "long": Reply(content='{"category": "gl', finish_reason="length"),
        "busy": Reply.http_error(429, "rate_limit_exceeded"),
        "slow": Reply.line_error("request_timeout", "Too slow."),
        "gone": Reply.left_out(),
        "twice": Reply(content="again", copies=2),
    }
    async with rig() as running:

        async def answer(custom_id: str | None, body: dict[str, Any]) -> Reply | None:
            assert body["model"] == "gpt-5-mini"
            await asyncio.sleep(0)
            return replies.get(custom_id or "")

        running.server.script.answer = answer
        batch = await running.run(*[request_line(custom_id) for custom_id in [*replies, "plain"]])
        output = await running.lines(batch.output_file_id)
        errors = {line["custom_id"]: line for line in await running.lines(batch.error_file_id)}
    choices = {line["custom_id"]: line["response"]["body"]["choices"][0] for line in output}
    assert [line["custom_id"] for line in output] == ["text", "json", "refused", "long", "twice", "twice", "plain"]
    assert choices["text"]["message"]["content"] == "not json"
    assert json.loads(choices["json"]["message"]["content"]) == {"category": "glass"}
    assert choices["refused"]["message"] | {"annotations": []} == {
        "role": "assistant",
        "content": None,
        "refusal": "I will not.",
        "annotations": [],
    }
    assert choices["long"]["finish_reason"] == "length"
    assert "no model was asked" in choices["plain"]["message"]["content"]
    assert set(errors) == {"busy", "slow"}
    assert errors["busy"]["response"]["status_code"] == 429
    assert errors["busy"]["response"]["body"]["error"]["code"] == "rate_limit_exceeded"
    assert (errors["slow"]["response"], errors["slow"]["error"]) == (
        None,
        {"code": "request_timeout", "message": "Too slow."},
    )
    assert batch.request_counts
    assert batch.request_counts.model_dump() == {"completed": 6, "failed": 2, "total": 9}


async def test_rules_answer_lines_by_custom_id_or_text() -> None:
    """A rule is used up as often as it says; one without custom_id reaches direct completions too."""
    async with rig() as running:
        running.server.faults.add(
            ReplyRule(Reply(content="by id"), custom_id=r"job-\d"),
            ReplyRule(Reply(content="by text"), text="bottle", times=2),
        )
        batch = await running.run(
            request_line("job-1"), request_line("job-2"), request_line("x", "a bottle"), request_line("job-33")
        )
        contents = {
            line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"]
            for line in await running.lines(batch.output_file_id)
        }
        assert (contents["job-1"], contents["x"]) == ("by id", "by text")
        assert "no model" in contents["job-2"]
        assert "no model" in contents["job-33"]
        direct = await running.client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "a bottle"}]
        )
        assert direct.choices[0].message.content == "by text"
        assert not running.server.faults.pending


async def test_a_direct_completion_can_be_scripted_to_fail() -> None:
    """HTTP errors come as they are; a fate that only a batch line can have is a 500."""
    async with rig() as running:
        running.server.faults.add(ReplyRule(Reply.http_error(429, "slow_down")), ReplyRule(Reply.left_out()))
        with pytest.raises(openai.RateLimitError):
            await running.client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        with pytest.raises(openai.InternalServerError):
            await running.client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])


async def test_an_output_file_is_edited_before_it_is_published() -> None:
    """The hook sees the batch and its lines, and what it returns is the file."""
    seen: list[str] = []

    def edit(batch: Batch, lines: list[bytes]) -> list[bytes]:
        seen.append(batch.id)
        return [*reversed(lines), b"not json"]

    async with rig() as running:
        running.server.script.edit_output = edit
        running.server.script.edit_errors = lambda batch, lines: []
        batch = await running.run(request_line("a"), request_line("b"), request_line("c", n=0))
        content = (await running.client.files.content(batch.output_file_id or "")).content.split(b"\n")
        assert [json.loads(line)["custom_id"] for line in content[:2]] == ["b", "a"]
        assert content[2:] == [b"not json", b""]
        assert seen == [batch.id]
        assert batch.error_file_id is None


async def test_a_hook_that_raises_is_reported_when_the_server_settles() -> None:
    """A bug in a test's own script fails the test and the batch, and does not hang either."""

    def answer(custom_id: str | None, body: dict[str, Any]) -> Reply | None:
        raise LookupError(custom_id)

    async with rig() as running:
        running.server.script.answer = answer
        batch = await running.submit(request_line("a"))
        with pytest.raises(LookupError):
            await running.server.settled()
        assert (await running.client.batches.retrieve(batch.id)).status == "failed"


async def test_a_batch_fails_with_a_chosen_code() -> None:
    """Armed before its creation, a batch fails at the end of its validation; the next one does not."""
    async with rig() as running:
        running.server.faults.add(BatchFault(fail_code="token_limit_exceeded", fail_message="Too many tokens."))
        batch = await running.run(request_line("a"))
        assert batch.status == "failed"
        assert batch.errors
        assert batch.errors.data
        assert [(error.code, error.message) for error in batch.errors.data] == [
            ("token_limit_exceeded", "Too many tokens.")
        ]
        assert (await running.run(request_line("a"))).status == "completed"


async def test_a_batch_fails_late() -> None:
    """A batch that was in progress fails, and its answered lines are gone."""
    async with rig() as running:
        running.server.hold("in_progress", answered=1)
        batch = await running.settle(await running.submit(request_line("a"), request_line("b")))
        await running.server.fail(batch.id, "token_limit_exceeded")
        batch = await running.settle(batch)
        assert (batch.status, batch.output_file_id) == ("failed", None)
        assert batch.errors
        assert batch.errors.data
        assert [error.code for error in batch.errors.data] == ["token_limit_exceeded"]


async def test_the_output_id_arrives_later_than_the_status() -> None:
    """The first two reads of the completed batch have no output file, the third has; a listing is a read."""
    async with rig() as running:
        running.server.faults.add(BatchFault(output_id_late_reads=2))
        first = await running.run(request_line("a"))
        (second,) = (await running.client.batches.list()).data
        third = await running.client.batches.retrieve(first.id)
        assert [batch.status for batch in (first, second, third)] == ["completed"] * 3
        assert (first.output_file_id, second.output_file_id) == (None, None)
        assert third.output_file_id


async def test_the_error_file_id_is_an_empty_string() -> None:
    """Only where there is no error file."""
    async with rig() as running:
        running.server.faults.add(BatchFault(empty_error_file_id=True, times=2))
        assert (await running.run(request_line("a"))).error_file_id == ""
        assert (await running.run(request_line("a", n=0))).error_file_id


async def test_a_status_moves_backwards() -> None:
    """After completed has been read, one read shows in_progress again, then completed for good."""
    async with rig() as running:
        running.server.faults.add(BatchFault(regressed_reads=1))
        batch = await running.run(request_line("a"))
        seen = [batch.status]
        for _ in range(2):
            batch = await running.client.batches.retrieve(batch.id)
            seen.append(batch.status)
        assert seen == ["completed", "in_progress", "completed"]


async def test_an_upload_is_invisible_at_first() -> None:
    """A listing leaves it out, and its id is 404, whether it is read or a batch is made of it; then it is there."""
    async with rig() as running:
        running.server.faults.add(FileFault(hidden_reads=3))
        input_file_id = await running.upload(jsonl(request_line("a")))
        assert not (await running.client.files.list()).data
        with pytest.raises(openai.NotFoundError):
            await running.client.files.retrieve(input_file_id)
        with pytest.raises(openai.NotFoundError):
            await create(running, input_file_id)
        await create(running, input_file_id)


async def test_a_new_batch_is_missing_from_the_first_listings() -> None:
    """It can be retrieved at once, but listings show it only later."""
    async with rig() as running:
        running.server.faults.add(BatchFault(hidden_listings=2))
        batch = await running.submit(request_line("a"))
        listed = [[found.id for found in (await running.client.batches.list()).data] for _ in range(3)]
        assert listed == [[], [], [batch.id]]
        assert (await running.client.batches.retrieve(batch.id)).id == batch.id


async def test_every_fault_can_be_armed_over_http() -> None:
    """The control endpoint arms the same dataclasses, an array at once, and disarms them."""
    async with rig() as running:
        posted: list[dict[str, Any]] = [
            {"kind": "request", "method": "GET", "path": "/v1/files", "status": 500},
            {"kind": "reply", "custom_id": "a", "reply": {"content": {"category": "glass"}}, "times": 2},
            {"kind": "batch", "hidden_listings": 1},
            {"kind": "file", "hidden_reads": 1},
        ]
        armed = await running.control("POST", "/faults", posted)
        assert (armed.status_code, armed.json()) == (201, {"pending": 4})
        assert running.server.faults.pending == [
            RequestFault("GET", "/v1/files", status=500),
            ReplyRule(Reply(content={"category": "glass"}), custom_id="a", times=2),
            BatchFault(hidden_listings=1),
            FileFault(hidden_reads=1),
        ]
        with pytest.raises(openai.InternalServerError):
            await running.client.files.list()
        assert (await running.control("GET", "/faults")).json() == {"pending": 3}
        assert (await running.control("DELETE", "/faults")).status_code == 204
        assert not running.server.faults.pending


async def test_a_wrong_fault_is_refused_over_http() -> None:
    """A misspelt field or kind is a 400, not a fault that never strikes."""
    async with rig() as running:
        for wrong in (
            {"kind": "batch", "hiden_listings": 1},
            {"kind": "weather"},
            {"hidden_reads": 1},
            {"kind": "file", "hidden_reads": "many"},
            {"kind": "reply", "reply": {"contents": "x"}},
            "reset",
        ):
            assert (await running.control("POST", "/faults", wrong)).status_code == 400
        assert (await running.control("POST", "/hold", {"status": "completed"})).status_code == 400
        assert not running.server.faults.pending


async def test_batches_are_held_expired_and_failed_over_http() -> None:
    """What a test does with server.hold, release, expire and fail works from another process."""
    async with rig() as running:
        assert (await running.control("POST", "/hold", {"status": "in_progress", "answered": 1})).status_code == 204
        first = await running.settle(await running.submit(request_line("a"), request_line("b")))
        second = await running.settle(await running.submit(request_line("a")))
        third = await running.settle(await running.submit(request_line("a"), request_line("b")))
        assert (first.status, second.status, third.status) == ("in_progress", "completed", "in_progress")
        expired = await running.control("POST", f"/batches/{first.id}/expire", {})
        assert (expired.json()["status"], expired.json()["request_counts"]["completed"]) == ("expired", 1)
        failed = await running.control("POST", f"/batches/{third.id}/fail", {"code": "token_limit_exceeded"})
        assert failed.json()["errors"]["data"][0]["code"] == "token_limit_exceeded"
        assert (await running.control("POST", f"/batches/{first.id}/expire", {})).status_code == 409
        assert (await running.control("POST", "/release", {})).status_code == 204
        assert (await running.run(request_line("a"), request_line("b"))).status == "completed"
        calls = (await running.control("GET", "/calls")).json()["calls"]
        assert calls[0] == {"method": "POST", "path": "/v1/files", "query": "", "status": 200}
