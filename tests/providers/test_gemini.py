"""What is Gemini's own: answers that prove their key, its errors and states, its usage, its two words for a state."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from local.gemini_server import GeminiServer
from local.provider_server.batches import Batch
from local.provider_server.faults import BatchFault, RequestFault
from nightshift import job_types
from nightshift.jobs.answer import Answer, answer_of
from nightshift.providers import result_line
from nightshift.providers.base import Intent, ProviderLocked, ProviderRateLimited, ProviderRefusal
from nightshift.providers.gemini.client import GeminiProvider
from nightshift.providers.gemini.codes import complaint_of, trouble_of_batch, trouble_of_line
from nightshift.providers.gemini.result import read_content, read_line
from nightshift.providers.registry import lane_of
from nightshift.providers.request import Request
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage

JOB_TYPE = job_types.find("waste_classification")
MODEL = "gemini-2.5-flash"
PROJECT = "gemini-tests"


@pytest.fixture
async def served() -> AsyncIterator[tuple[GeminiProvider, GeminiServer]]:
    """The adapter, and its server."""
    server = GeminiServer(api_key="key")
    async with server.serve() as base_url:
        provider = GeminiProvider(api_key="key", base_url=base_url, project=PROJECT)
        yield provider, server
        await provider._client.close()


def _request(job_id: str, text: str = "an empty glass bottle", image: str | None = None) -> Request:
    return Request(
        job_id=job_id,
        model=MODEL,
        instructions=JOB_TYPE.instructions,
        text=text,
        image=image,
        schema=JOB_TYPE.schema(),
        schema_name=JOB_TYPE.name,
        max_output_tokens=JOB_TYPE.max_output_tokens,
    )


async def _created(provider: GeminiProvider, *job_ids: str) -> str:
    lines = b"".join(provider.request_line(_request(job_id)) + b"\n" for job_id in job_ids)
    file_id = await provider.upload("ns-batch", io.BytesIO(lines))
    intent = Intent(
        batch_id="ns-batch", endpoint="generateContent", model=MODEL, requests=len(job_ids), input_file_id=file_id
    )
    return (await provider.create(intent, None)).remote_id


async def _lines(provider: GeminiProvider, remote_id: str) -> dict[str, result_line.ResultLine]:
    stored = b"".join([chunk async for chunk in provider.results(remote_id)])
    return {line.job_id: line for each in stored.splitlines() if (line := result_line.read(each))}


async def test_a_text_becomes_a_vector_in_a_batch_and_in_real_time(
    served: tuple[GeminiProvider, GeminiServer],
) -> None:
    """The same by both ways; what the provider does not count in real time is estimated, so it has a price."""
    provider, server = served
    lane = lane_of("gemini:gemini-embedding-001", is_vector=True)
    request = replace(_request("one"), model=lane.model, dimensions=8)
    file_id = await provider.upload("ns-batch", io.BytesIO(provider.request_line(request) + b"\n"))
    intent = Intent(batch_id="ns-batch", endpoint=lane.endpoint, model=lane.model, requests=1, input_file_id=file_id)
    created = await provider.create(intent, None)
    await server.settled()

    said = (await _lines(provider, created.remote_id))["one"]
    at_once = (await provider.answer(request, 5)).line

    assert len(json.loads(said.text or "")["vector"]) == 8
    assert (said.text, said.stop) == (at_once.text, "end")
    assert said.usage.input_tokens == 6
    assert at_once.usage.input_tokens >= 6
    odd = read_line(b'{"key": "job-one", "response": {"embedding": {"values": "none"}}}')
    assert odd
    assert (odd.trouble, odd.code) == (Trouble.PROVIDER, "no_embedding")


async def test_an_answer_under_the_wrong_key_goes_to_the_job_that_it_names(
    served: tuple[GeminiProvider, GeminiServer],
) -> None:
    """As in googleapis/python-genai#1909: all keys of a batch are moved on by one."""
    provider, server = served
    before: dict[str, str] = {}

    def mixed(_: Batch, lines: list[bytes]) -> list[bytes]:
        fields = [json.loads(line) for line in lines]
        before.update({each["key"]: json.dumps(each["response"]) for each in fields})
        keys = [each["key"] for each in fields]
        return [json.dumps(each | {"key": key}).encode() for each, key in zip(fields, keys[1:] + keys[:1], strict=True)]

    server.script.edit_output = mixed
    remote_id = await _created(provider, "one", "two", "three")
    await server.settled()

    lines = await _lines(provider, remote_id)

    assert lines.keys() == {"one", "two", "three"}
    for job_id, line in lines.items():
        own = json.loads(json.loads(before[f"job-{job_id}"])["candidates"][0]["content"]["parts"][0]["text"])
        assert own.pop("requestId") == f"job-{job_id}"
        assert line.text
        assert json.loads(line.text) == own
        assert isinstance(answer_of(line, JOB_TYPE), Answer)


@pytest.mark.parametrize(
    "response",
    [
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"candidates": [{"finishReason": "PROHIBITED_CONTENT"}]},
        {"candidates": [{"finishReason": "MAX_TOKENS", "content": {"parts": [{"text": '{"itemName": "bot'}]}}]},
        {"candidates": [{"finishReason": "STOP", "content": {"parts": [{"text": '{"itemName": "bottle"}'}]}}]},
        {"candidates": []},
        {},
    ],
)
def test_what_proves_no_key_is_nobodys_fault_in_a_batch(response: dict[str, Any]) -> None:
    """It may be another request's: it is asked again, and costs the job no attempt."""
    line = read_line(json.dumps({"key": "job-one", "response": response}).encode())
    assert line
    assert (line.job_id, line.text, line.stop, line.trouble) == ("one", None, "other", Trouble.PROVIDER)


@pytest.mark.parametrize(
    ("candidate", "stop"),
    [({"finishReason": "SAFETY"}, "refusal"), ({"finishReason": "MAX_TOKENS"}, "length"), ({}, "other")],
)
def test_in_real_time_an_answer_needs_no_proof(candidate: dict[str, Any], stop: str) -> None:
    """What it thought is no part of it, and is paid for."""
    parts = [{"text": "hm", "thought": True}, {"text": "{}"}]
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 5, "cachedContentTokenCount": 4}
    said = read_content("one", {"candidates": [candidate | {"content": {"parts": parts}}], "usageMetadata": usage})
    assert (said.text, said.stop, said.trouble) == ("{}", stop, None)
    assert said.usage == Usage(input_tokens=9, output_tokens=7, cached_input_tokens=4)


@pytest.mark.parametrize(
    ("error", "means"),
    [
        ({"code": 3, "message": "Request contains an invalid argument."}, Trouble.REJECTED),
        (
            {"code": 8, "message": "You exceeded your current quota, please check your plan and billing details."},
            Trouble.PROVIDER,
        ),
        ({"code": 8, "message": "Your prepayment credits are depleted."}, Trouble.LOCKED),
        ({"code": 13, "message": "Internal error encountered."}, Trouble.PROVIDER),
        ({"code": 4, "message": "Deadline expired."}, Trouble.PROVIDER),
        ({"code": 7, "message": "Permission denied."}, Trouble.LOCKED),
        ({"code": 2, "message": "?"}, Trouble.PROVIDER),
        ({"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid."}, Trouble.LOCKED),
        ({"code": 404, "status": "NOT_FOUND", "message": "models/none is not found"}, Trouble.MODEL_UNKNOWN),
        (
            {"code": 400, "message": "The input token count exceeds the maximum number of tokens allowed"},
            Trouble.TOO_LONG,
        ),
        ({"code": 400, "message": "Unable to process input image."}, Trouble.IMAGE_UNREADABLE),
        ({}, Trouble.PROVIDER),
    ],
)
def test_an_error_means_the_same_by_either_kind_of_code(error: dict[str, Any], means: Trouble) -> None:
    """A line has gRPC's numbers, an answer HTTP's; no credit hides in the words of a 429."""
    assert trouble_of_line(error)[0] is means
    assert not trouble_of_batch(error)[0].is_final


def test_a_retry_info_says_when_to_come_again() -> None:
    """In the body, where no header says it."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota.", "details": details}
    assert complaint_of({"error": error}).retry_after_seconds == 34.5


async def test_a_full_queue_is_waited_for_and_an_empty_account_is_the_operators(
    served: tuple[GeminiProvider, GeminiServer],
) -> None:
    """Both are a 429 on the create."""
    provider, server = served
    file_id = await provider.upload("ns-batch", io.BytesIO(provider.request_line(_request("one"))))
    intent = Intent(batch_id="ns-b", endpoint="generateContent", model=MODEL, requests=1, input_file_id=file_id)
    for words, kind in (("Enqueued tokens limit.", ProviderRateLimited), ("Prepayment is depleted.", ProviderLocked)):
        body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": words}}
        server.faults.add(RequestFault("POST", ".*:batchGenerateContent", status=429, body=body))
        with pytest.raises(kind):
            await provider.create(intent, None)
    assert not server.batches


@pytest.mark.parametrize(
    "struck",
    [("GET", r"/v1beta/batches/[^/]+"), ("DELETE", r"/v1beta/files/[^/]+"), ("DELETE", r"/v1beta/batches/[^/]+")],
)
async def test_a_404_that_passes_leaves_no_result_file_behind(
    served: tuple[GeminiProvider, GeminiServer], struck: tuple[str, str]
) -> None:
    """The batch is deleted with its results, though it or its result file was not found once."""
    provider, server = served
    remote_id = await _created(provider, "one")
    await server.settled()
    assert len(server.files) == 2
    server.faults.add(RequestFault(*struck, status=404, times=1))

    assert await provider.delete_file(remote_id)

    assert not server.batches
    assert len(server.files) == 1, "its input is deleted by itself"


@pytest.mark.parametrize(
    ("status", "ends"), [("INVALID_ARGUMENT", nullcontext()), ("A_NEW_ONE", pytest.raises(ProviderRefusal))]
)
async def test_a_batch_outlives_its_result_file_unless_the_files_name_is_refused(
    served: tuple[GeminiProvider, GeminiServer], status: str, ends: AbstractContextManager[Any]
) -> None:
    """No repetition mends a name; any other reason may pass, and without the batch the file is found no more."""
    provider, server = served
    remote_id = await _created(provider, "one")
    await server.settled()
    body = {"error": {"code": 400, "status": status, "message": "no"}}
    server.faults.add(RequestFault("DELETE", r"/v1beta/files/[^/]+", status=400, body=body, times=1))

    with ends:
        await provider.delete_file(remote_id)

    assert bool(server.batches) is (status == "A_NEW_ONE")
    assert len(server.files) == 2


async def test_a_failed_batch_says_why(served: tuple[GeminiProvider, GeminiServer]) -> None:
    """The official SDK drops both; what is deleted afterwards is the batch itself."""
    provider, server = served
    server.faults.add(BatchFault(fail_code="RESOURCE_EXHAUSTED", fail_message="Enqueued tokens limit."))
    remote_id = await _created(provider, "one")
    await server.settled()

    failed = await provider.retrieve(remote_id)

    assert (failed.outcome, failed.trouble, failed.error_code) == ("failed", Trouble.QUEUE_FULL, "RESOURCE_EXHAUSTED")
    assert failed.output_file_id == remote_id
    assert await _lines(provider, remote_id) == {}
    assert await provider.delete_file(remote_id)
    assert not server.batches


async def test_two_projects_that_share_an_account_do_not_touch_each_others_batches(
    served: tuple[GeminiProvider, GeminiServer],
) -> None:
    """A display name holds the project; one by hand holds nothing of ours."""
    provider, server = served
    await _created(provider, "one")
    await server.settled()
    other = GeminiProvider(api_key="key", base_url=provider._client._base_url, project="another")
    assert [remote.batch_id async for remote in other.batches()] == [None]
    assert [remote.batch_id async for remote in provider.batches()] == ["ns-batch"]
    await other._client.close()


def test_an_image_is_linked_or_sent_along() -> None:
    """By its address with its type, or within the request."""
    provider = GeminiProvider(api_key="key", base_url=None, project=PROJECT)

    def part_of(image: str) -> Any:
        return json.loads(provider.request_line(_request("one", image=image)))["request"]["contents"][0]["parts"][0]

    address = "https://storage.googleapis.com/b/users/u/photo.JPG?X-Goog-Signature=1"
    assert part_of(address) == {"fileData": {"fileUri": address, "mimeType": "image/jpeg"}}
    assert part_of("https://example.com/photo") == {"fileData": {"fileUri": "https://example.com/photo"}}
    assert part_of("data:image/png;base64,AAAA") == {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
