"""Batches of the OpenAI-compatible server: the status machine, validation, files, listing and early ends."""

import asyncio
from typing import Any

import openai
import pytest

from local.openai_server import OpenAIServer, Pace
from local.provider_server.batches import Status
from tests.local.test_openai_server_rig import CHAT, KEY, check_answer, check_schema, jsonl, request_line, rig

BAD_IMAGE = {"type": "image_url", "image_url": {"url": "gs://bucket/users/u/cat.png"}}


async def test_a_batch_goes_through_every_status_with_its_times() -> None:
    """Held in each status in turn, a batch shows validating, in_progress, finalizing and completed."""
    async with rig() as running:
        stages: list[Status] = ["validating", "in_progress", "finalizing"]
        for stage in stages:
            running.server.hold(stage)
        batch = await running.submit(request_line("a"))
        for stage in stages:
            batch = await running.settle(batch)
            assert batch.status == stage
            assert batch.output_file_id is None
            assert batch.completed_at is None
            running.server.release(stage)
        batch = await running.settle(batch)
        assert batch.status == "completed"
        assert batch.in_progress_at
        assert batch.finalizing_at
        assert batch.completed_at
        assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
        assert batch.expires_at == batch.created_at + 24 * 3600
        assert (batch.failed_at, batch.expired_at, batch.cancelling_at, batch.cancelled_at) == (None,) * 4


async def test_a_batch_is_validating_when_it_is_created() -> None:
    """The answer to the create call shows the first status, with what was sent."""
    async with rig() as running:
        batch = await running.submit(request_line("a"), metadata={"nightshift_batch": "b1"})
        assert batch.status == "validating"
        assert batch.metadata == {"nightshift_batch": "b1"}
        assert (batch.endpoint, batch.completion_window) == (CHAT, "24h")
        assert (await running.settle(batch)).metadata == {"nightshift_batch": "b1"}


async def test_the_pace_keeps_a_batch_in_each_status() -> None:
    """With a pace the statuses are there to be seen, and the counts grow while the lines are answered."""
    pace = Pace(validating_seconds=0.1, in_progress_seconds=0.3, finalizing_seconds=0.1)

    def milliseconds() -> float:
        return 1000 * asyncio.get_running_loop().time()

    # The API tells whole seconds: by a clock of milliseconds they tell enough.
    server = OpenAIServer(api_key=KEY, pace=pace, now=milliseconds)
    answered: list[tuple[int, float]] = []

    async def answer(custom_id: str | None, _body: dict[str, Any]) -> None:
        assert (custom_id, batch.status) == (str(len(answered)), "in_progress")
        answered.append((batch.request_counts.completed, milliseconds()))

    server.script.answer = answer
    async with rig(server) as running:
        submitted = await running.submit(*[request_line(str(number)) for number in range(20)])
        assert submitted.status == "validating"
        batch = server.batches[submitted.id]
        ended = await running.settle(submitted)

    assert ended.status == "completed"
    assert ended.in_progress_at
    assert ended.finalizing_at
    assert ended.completed_at
    a_round = 1
    assert ended.in_progress_at - ended.created_at >= 100 - a_round
    assert ended.finalizing_at - ended.in_progress_at >= 300 - a_round
    assert ended.completed_at - ended.finalizing_at >= 100 - a_round
    assert [count for count, _ in answered] == list(range(20))
    assert all(at - ended.in_progress_at >= 15 * number for number, (_, at) in enumerate(answered, 1))


async def test_output_lines_carry_a_published_chat_completion() -> None:
    """Each line has id, custom_id, response with status_code, request_id and body, and a null error."""
    async with rig() as running:
        batch = await running.run(request_line("a"), request_line("b"))
        lines = await running.lines(batch.output_file_id)
        assert {line["custom_id"] for line in lines} == {"a", "b"}
        for line in lines:
            assert set(line) == {"id", "custom_id", "response", "error"}
            assert line["error"] is None
            assert line["response"]["status_code"] == 200
            assert line["response"]["request_id"]
            check_schema("CreateChatCompletionResponse", line["response"]["body"])
        assert len({line["id"] for line in lines}) == 2
        assert batch.error_file_id is None


async def test_output_files_are_listed_with_their_own_purpose() -> None:
    """The results are files of purpose batch_output, named after their batch, that expire as was asked for."""
    async with rig() as running:
        batch = await running.run(request_line("a"), output_expires_after={"anchor": "created_at", "seconds": 3600})
        (found,) = (await running.client.files.list(purpose="batch_output")).data
        assert found.id == batch.output_file_id
        assert found.filename == f"{batch.id}_output.jsonl"
        assert found.expires_at == found.created_at + 3600


async def test_a_line_that_the_api_would_refuse_goes_to_the_error_file() -> None:
    """Its response has status_code 400 and the error object; counts and files tell both kinds apart."""
    async with rig() as running:
        bad = request_line("bad", messages=[{"role": "user", "content": [BAD_IMAGE]}])
        batch = await running.run(request_line("good"), bad)
        assert batch.status == "completed"
        assert batch.request_counts
        assert batch.request_counts.model_dump() == {"completed": 1, "failed": 1, "total": 2}
        (output,) = await running.lines(batch.output_file_id)
        (error,) = await running.lines(batch.error_file_id)
        assert output["custom_id"] == "good"
        assert (error["custom_id"], error["error"]) == ("bad", None)
        assert error["response"]["status_code"] == 400
        assert error["response"]["body"]["error"]["code"] == "invalid_image_url"


async def test_a_batch_whose_lines_all_fail_completes_without_an_output_file() -> None:
    """It is completed, output_file_id is unset and the error file has every line."""
    async with rig() as running:
        batch = await running.run(request_line("a", temperature=9), request_line("b", colour="red"))
        assert (batch.status, batch.output_file_id) == ("completed", None)
        assert len(await running.lines(batch.error_file_id)) == 2


async def test_usage_adds_up_over_the_output_lines() -> None:
    """The batch's usage is the sum of its responses'."""
    async with rig() as running:
        batch = await running.run(request_line("a", "x" * 400), request_line("b", "y" * 40))
        usages = [line["response"]["body"]["usage"] for line in await running.lines(batch.output_file_id)]
        assert batch.usage
        assert batch.usage.input_tokens == sum(usage["prompt_tokens"] for usage in usages) == 110
        assert batch.usage.output_tokens == sum(usage["completion_tokens"] for usage in usages) > 0
        assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens


def without(name: str) -> dict[str, Any]:
    """A request line that lacks one key."""
    return {key: kept for key, kept in request_line("b").items() if key != name}


@pytest.mark.parametrize(
    ("second", "code", "param"),
    [
        (b"{not json", "invalid_json_line", None),
        (b"", "invalid_json_line", None),
        (b"[1]", "invalid_json_line", None),
        (b'{"custom_id": NaN}', "invalid_json_line", None),
        (b"\xff\xfe", "invalid_json_line", None),
        (b"[" * 100_000, "invalid_json_line", None),
        (request_line("a"), "duplicate_custom_id", "custom_id"),
        ({**request_line("b"), "url": "/v1/embeddings"}, "url_mismatch", "url"),
        (request_line("b", model="gpt-5-nano"), "model_mismatch", "body.model"),
        ({**request_line("b"), "method": "GET"}, "invalid_method", "method"),
        (without("custom_id"), "missing_required_parameter", "custom_id"),
        (without("method"), "missing_required_parameter", "method"),
        (without("url"), "missing_required_parameter", "url"),
        (without("body"), "missing_required_parameter", "body"),
        ({**request_line("b"), "body": {"messages": []}}, "missing_required_parameter", "body.model"),
        ({**request_line("b"), "body": "text"}, "invalid_type", "body"),
        ({**request_line("b"), "custom_id": 7}, "invalid_type", "custom_id"),
        ({**request_line("b"), "colour": "red"}, "unknown_parameter", "colour"),
    ],
)
async def test_a_wrong_input_line_fails_the_batch(second: Any, code: str, param: str | None) -> None:
    """The batch fails with the code, the parameter and the 1-based line, and leaves no result."""
    async with rig() as running:
        batch = await running.run(request_line("a"), second, request_line("c"))
        assert batch.status == "failed"
        assert batch.failed_at
        assert batch.errors
        assert batch.errors.data
        (error,) = batch.errors.data
        assert (error.code, error.param, error.line) == (code, param, 2)
        assert error.message
        assert (batch.in_progress_at, batch.output_file_id, batch.error_file_id) == (None, None, None)


async def test_an_empty_input_fails_the_batch() -> None:
    """A file without a line has no line number to name."""
    async with rig() as running:
        batch = await running.run()
        assert batch.status == "failed"
        assert batch.errors
        assert batch.errors.data
        assert [(error.code, error.line) for error in batch.errors.data] == [("empty_file", None)]


async def test_too_many_requests_fail_the_batch() -> None:
    """The limit itself is allowed, one more is too_many_tasks."""
    async with rig(OpenAIServer(api_key=KEY, max_requests=3)) as running:
        lines = [request_line(str(number)) for number in range(4)]
        assert (await running.run(*lines[:3])).status == "completed"
        batch = await running.run(*lines)
        assert batch.errors
        assert batch.errors.data
        assert [error.code for error in batch.errors.data] == ["too_many_tasks"]


async def test_every_wrong_line_is_listed() -> None:
    """Errors of several lines come together, each with its own number."""
    async with rig() as running:
        batch = await running.run(b"{", request_line("a"), request_line("a"), b"nope")
        assert batch.errors
        assert batch.errors.data
        assert [(error.code, error.line) for error in batch.errors.data] == [
            ("invalid_json_line", 1),
            ("duplicate_custom_id", 3),
            ("invalid_json_line", 4),
        ]


async def test_lines_end_at_newlines_only() -> None:
    """U+2028, U+0085 and a carriage return inside a JSON string do not break a line, in or out."""
    text = "one\u2028two\u0085three"
    async with rig() as running:
        raw = b'{"custom_id":"a\xe2\x80\xa8b","method":"POST","url":"/v1/chat/completions","body":{"model":"m",'
        raw += b'"messages":[{"role":"user","content":"' + text.encode() + b'"}]}}'
        batch = await running.run(raw)
        assert batch.status == "completed"
        (line,) = await running.lines(batch.output_file_id)
        assert line["custom_id"] == "a\u2028b"


async def test_a_last_line_needs_no_newline() -> None:
    """The file may end without one."""
    async with rig() as running:
        input_file_id = await running.upload(jsonl(request_line("a"), request_line("b")).rstrip(b"\n"))
        batch = await running.client.batches.create(input_file_id=input_file_id, endpoint=CHAT, completion_window="24h")
        batch = await running.settle(batch)
        assert batch.request_counts
        assert batch.request_counts.completed == 2


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"completion_window": "48h"}, "completion_window"),
        ({"completion_window": None}, "completion_window"),
        ({"endpoint": "/v1/nothing"}, "endpoint"),
        ({"endpoint": 1}, "endpoint"),
        ({"input_file_id": ""}, "input_file_id"),
        ({"colour": "red"}, "colour"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"metadata": {"k": "x" * 513}}, "metadata.k"),
        ({"metadata": {"k": 1}}, "metadata.k"),
        ({"metadata": ["k"]}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 60}}, "output_expires_after.seconds"),
        ({"output_expires_after": {"anchor": "later", "seconds": 3600}}, "anchor"),
    ],
)
async def test_a_wrong_create_call_is_refused(change: dict[str, Any], param: str) -> None:
    """A 400 names the parameter, and no batch comes into being."""
    async with rig() as running:
        right = {
            "input_file_id": await running.upload(jsonl(request_line("a"))),
            "endpoint": CHAT,
            "completion_window": "24h",
        }
        refused = await running.raw.post("/batches", json=right | change)
        check_answer("POST", "/v1/batches", refused.status_code, refused.json())
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == param
        for name in right:
            missing = await running.raw.post("/batches", json={key: right[key] for key in right if key != name})
            assert missing.json()["error"] | {"message": ""} == {
                "message": "",
                "type": "invalid_request_error",
                "param": name,
                "code": "missing_required_parameter",
            }
        assert not running.server.batches


async def test_metadata_at_its_limits_is_accepted() -> None:
    """16 pairs with keys of 64 and values of 512 characters are stored."""
    metadata = {f"{number:064}": "x" * 512 for number in range(16)}
    async with rig() as running:
        assert (await running.submit(request_line("a"), metadata=metadata)).metadata == metadata


async def test_a_batch_needs_an_input_file_with_the_right_purpose() -> None:
    """An unknown file is 404, a file of another purpose 400."""
    async with rig() as running:
        other = await running.client.files.create(file=("x.jsonl", b"{}"), purpose="user_data")
        with pytest.raises(openai.BadRequestError):
            await running.client.batches.create(input_file_id=other.id, endpoint=CHAT, completion_window="24h")
        with pytest.raises(openai.NotFoundError):
            await running.client.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")


async def test_batches_are_listed_newest_first_by_cursor() -> None:
    """The SDK's pagination sees each once; first_id, last_id and has_more frame a page."""
    async with rig() as running:
        empty = (await running.raw.get("/batches")).json()
        check_schema("ListBatchesResponse", empty)
        assert empty == {"object": "list", "data": [], "has_more": False}
        ids = [(await running.submit(request_line("a"))).id for _ in range(5)][::-1]
        assert [batch.id async for batch in running.client.batches.list(limit=2)] == ids
        page = (await running.raw.get(f"/batches?limit=2&after={ids[0]}")).json()
        assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[1], ids[2], True)
        last = (await running.raw.get(f"/batches?limit=2&after={ids[2]}")).json()
        assert (last["first_id"], last["last_id"], last["has_more"]) == (ids[3], ids[4], False)
        for query in ("limit=0", "limit=101", "after=batch_none"):
            assert (await running.raw.get(f"/batches?{query}")).status_code == 400


async def test_an_unknown_batch_is_404() -> None:
    """Retrieving and cancelling name what is missing."""
    async with rig() as running:
        for call in (running.client.batches.retrieve, running.client.batches.cancel):
            with pytest.raises(openai.NotFoundError, match="batch_none"):
                await call("batch_none")


async def test_a_cancelled_batch_keeps_what_was_answered() -> None:
    """Lines done before the cancel are in the output, the others in the error file as batch_cancelled."""
    async with rig() as running:
        running.server.hold("in_progress", answered=2)
        running.server.hold("cancelling")
        batch = await running.settle(await running.submit(*[request_line(f"r{number}") for number in range(5)]))
        assert batch.request_counts
        assert batch.request_counts.completed == 2
        batch = await running.client.batches.cancel(batch.id)
        assert batch.status == "cancelling"
        assert batch.cancelling_at
        assert (await running.settle(batch)).status == "cancelling"
        assert (await running.client.batches.cancel(batch.id)).status == "cancelling"
        running.server.release()
        batch = await running.settle(batch)
        assert batch.status == "cancelled"
        assert batch.cancelled_at
        assert batch.request_counts
        assert batch.request_counts.model_dump() == {"completed": 2, "failed": 0, "total": 5}
        assert [line["custom_id"] for line in await running.lines(batch.output_file_id)] == ["r0", "r1"]
        errors = await running.lines(batch.error_file_id)
        assert [line["custom_id"] for line in errors] == ["r2", "r3", "r4"]
        assert {line["error"]["code"] for line in errors} == {"batch_cancelled"}
        assert all(line["response"] is None for line in errors)


async def test_a_batch_cancelled_while_validating_has_no_files() -> None:
    """Nothing was answered and nothing was refused."""
    async with rig() as running:
        running.server.hold("validating")
        batch = await running.submit(request_line("a"), b"not json")
        await running.client.batches.cancel(batch.id)
        batch = await running.settle(batch)
        assert batch.status == "cancelled"
        assert (batch.output_file_id, batch.error_file_id, batch.errors) == (None, None, None)


async def test_a_cancel_in_the_middle_of_the_validation_prevails() -> None:
    """While a long input is being read, a cancel ends the batch as cancelled, whatever the last line is."""
    async with rig() as running:
        batch = await running.submit(*[request_line(str(number)) for number in range(20_000)], b"not json")
        assert (await running.client.batches.cancel(batch.id)).status == "cancelling"
        batch = await running.settle(batch)
        assert (batch.status, batch.errors, batch.in_progress_at) == ("cancelled", None, None)


async def test_a_terminal_batch_cannot_be_cancelled() -> None:
    """The SDK raises ConflictError and the batch stays what it is."""
    async with rig() as running:
        batch = await running.run(request_line("a"))
        with pytest.raises(openai.ConflictError, match="completed"):
            await running.client.batches.cancel(batch.id)
        assert (await running.settle(batch)).status == "completed"


async def test_an_expired_batch_keeps_what_was_answered() -> None:
    """Lines done in time are in the output; the rest is in the error file, and not counted as failed."""
    async with rig() as running:
        running.server.hold("in_progress")
        batch = await running.submit(*[request_line(f"r{number}") for number in range(4)])
        await running.server.settled()
        await running.server.expire(batch.id, answered=3)
        batch = await running.settle(batch)
        assert batch.status == "expired"
        assert batch.expired_at
        assert batch.completed_at is None
        assert batch.request_counts
        assert batch.request_counts.model_dump() == {"completed": 3, "failed": 0, "total": 4}
        assert len(await running.lines(batch.output_file_id)) == 3
        (error,) = await running.lines(batch.error_file_id)
        assert error["custom_id"] == "r3"
        assert error["response"] is None
        assert error["error"]["code"] == "batch_expired"
        assert error["error"]["message"]


async def test_a_batch_that_expires_before_its_first_line_has_no_output() -> None:
    """Expiry reaches a batch that is still validating, too."""
    async with rig() as running:
        running.server.hold("validating")
        batch = await running.submit(request_line("a"))
        await running.server.expire(batch.id)
        batch = await running.settle(batch)
        assert (batch.status, batch.output_file_id) == ("expired", None)
        assert len(await running.lines(batch.error_file_id)) == 1


async def test_the_input_may_be_deleted_once_the_batch_is_in_progress() -> None:
    """A run reads the file it opened; before that, the batch fails."""
    async with rig() as running:
        running.server.hold("in_progress")
        batch = await running.settle(await running.submit(request_line("a")))
        await running.client.files.delete(batch.input_file_id)
        running.server.release()
        assert (await running.settle(batch)).status == "completed"
        running.server.hold("validating")
        batch = await running.submit(request_line("a"))
        await running.client.files.delete(batch.input_file_id)
        running.server.release()
        assert (await running.settle(batch)).status == "failed"
