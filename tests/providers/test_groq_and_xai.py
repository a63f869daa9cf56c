"""What Groq and xAI do in their own way, read and asked as it is."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from local.groq_server import GroqServer
from local.openai_server import BatchFault, RequestFault
from local.xai_server import XaiServer
from nightshift import job_types
from nightshift.pricing.prices import batch_cost_usd, realtime_cost_usd
from nightshift.providers import result_line
from nightshift.providers.base import Intent, ProviderLocked, ProviderTrouble, RemoteBatch
from nightshift.providers.groq.client import GroqProvider
from nightshift.providers.request import Request
from nightshift.providers.xai.client import XaiProvider
from nightshift.providers.xai.result import read_batch, read_completion, read_result
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage

_NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
_TYPE = job_types.find("waste_classification")
_REQUEST = Request(
    job_id="one",
    model="openai/gpt-oss-20b",
    instructions=_TYPE.instructions,
    text="a bottle",
    image=None,
    schema=_TYPE.schema(),
    schema_name=_TYPE.name,
    max_output_tokens=_TYPE.max_output_tokens,
)
_GROK = replace(_REQUEST, model="grok-4.3")


async def _submitted(provider: GroqProvider | XaiProvider, batch_id: str, request: Request) -> str:
    file_id = await provider.upload(batch_id, io.BytesIO(provider.request_line(request) + b"\n"))
    endpoint = provider.traits.endpoint
    intent = Intent(batch_id=batch_id, endpoint=endpoint, model=request.model, requests=1, input_file_id=file_id)
    return (await provider.create(intent, None)).remote_id


async def test_groqs_listing_goes_on_beyond_its_first_page() -> None:
    """By the SDK's cursor it would end there, and what stands behind would be made again."""
    server = GroqServer(api_key="key")
    async with server.serve() as base_url:
        provider = GroqProvider(api_key="key", base_url=base_url, project="p")
        created = [await _submitted(provider, f"ns-{number}", _REQUEST) for number in range(25)]

        listed = {remote.remote_id: remote.batch_id async for remote in provider.batches()}

    assert listed == {remote_id: f"ns-{number}" for number, remote_id in enumerate(created)}


async def test_groqs_errors_are_an_array_which_does_not_hide_the_code() -> None:
    """A batch that failed says why; one that completed did not fail, whatever it lists."""
    server = GroqServer(api_key="key")
    async with server.serve() as base_url:
        provider = GroqProvider(api_key="key", base_url=base_url, project="p")
        server.faults.add(BatchFault(fail_code="model_not_found"))
        remote_id = await _submitted(provider, "ns-1", _REQUEST)
        await server.settled()

        failed = await provider.retrieve(remote_id)

    assert (failed.outcome, failed.error_code, failed.trouble) == ("failed", "model_not_found", Trouble.MODEL_UNKNOWN)


@pytest.mark.parametrize(("model", "is_strict"), [("openai/gpt-oss-120b", True), ("llama-3.3-70b-versatile", False)])
async def test_groq_is_asked_strictly_only_where_it_has_it(model: str, is_strict: bool) -> None:
    """In a batch and in real time; elsewhere it would refuse every request."""
    server = GroqServer(api_key="key")
    async with server.serve() as base_url:
        provider = GroqProvider(api_key="key", base_url=base_url, project="p")
        asked = replace(_REQUEST, model=model)
        answered = await provider.answer(asked, 10)

    assert answered.line.trouble is None
    line = json.loads(provider.request_line(asked))
    assert line["body"]["response_format"]["json_schema"]["strict"] is is_strict


def _xai(state: dict[str, int], **fields: Any) -> RemoteBatch:
    counters = dict.fromkeys(("num_requests", "num_pending", "num_success", "num_error", "num_cancelled"), 0)
    batch = {"batch_id": "batch_1", "name": "nightshift.p.ns-1", "expire_time": "2026-12-28"}
    return read_batch(batch | {"state": counters | state} | fields, "p", _NOW)


@pytest.mark.parametrize(
    ("state", "fields", "outcome", "is_cancelling"),
    [
        ({}, {}, None, False),
        ({"num_requests": 3, "num_pending": 3}, {}, None, False),
        ({"num_requests": 3, "num_success": 2, "num_error": 1}, {}, "completed", False),
        ({"num_requests": 3, "num_pending": 1, "num_success": 2}, {"cancel_time": "2026-11-28"}, None, True),
        ({"num_requests": 3, "num_success": 2, "num_cancelled": 1}, {"cancel_time": "2026-11-28"}, "cancelled", False),
        ({}, {"cancel_time": "2026-11-28", "cancel_by_xai_message": "Invalid request on line 3"}, "failed", False),
        ({"num_requests": 3, "num_pending": 1}, {"expire_time": "2026-11-27"}, "expired", False),
        ({"num_requests": 3, "num_pending": 1}, {"expire_time": "2026-11-28"}, None, False),
    ],
)
def test_xais_batch_is_what_its_counters_say(
    state: dict[str, int],
    fields: dict[str, Any],
    outcome: str | None,
    is_cancelling: bool,
) -> None:
    """One that xAI rejected looks idle, and has failed; one without a request has not completed."""
    remote = _xai(state, **fields)

    assert (remote.outcome, remote.is_cancelling) == (outcome, is_cancelling)
    assert remote.batch_id == "ns-1"
    assert bool(remote.output_file_id) == (outcome in {"completed", "cancelled", "expired"})


@pytest.mark.parametrize(
    ("message", "trouble"),
    [
        ("The model grok-4.6 is not supported by the batch API.", Trouble.MODEL_UNKNOWN),
        ("Line 7 is not valid JSON.", Trouble.LINES_WRONG),
        ("Your team has used all available credits or reached its monthly spending limit.", Trouble.LOCKED),
        ("Something else.", Trouble.UNKNOWN),
    ],
)
def test_why_xai_rejected_a_batch_is_read_from_its_sentence(message: str, trouble: Trouble) -> None:
    """It has no code. What is the account's trouble costs no job an attempt."""
    remote = _xai({}, cancel_time="2026-11-28", cancel_by_xai_message=message)

    assert (remote.outcome, remote.trouble, remote.error_message) == ("failed", trouble, message)


def test_another_projects_batch_is_not_ours() -> None:
    """Two projects may share an account, and one's name may begin as the other's does."""
    for name in ("nightshift.p2.ns-1", "nightshift.p", "another", "", None):
        assert _xai({}, name=name).batch_id is None


def test_xais_reasoning_is_output_that_its_completion_tokens_leave_out() -> None:
    """The example of its documentation: 716 + 126 + 167 = 1009."""
    usage = {"prompt_tokens": 716, "completion_tokens": 126, "total_tokens": 1009}
    body = {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}], "usage": usage}

    line = read_completion("one", body)

    assert line.usage == Usage(input_tokens=716, output_tokens=126 + 167)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        ({"code": 3, "message": "Bad field."}, Trouble.REJECTED),
        ({"code": 8, "message": "Busy."}, Trouble.PROVIDER),
        ({"code": 13, "message": "Internal."}, Trouble.PROVIDER),
        ({"code": 1, "message": "Cancelled."}, Trouble.STOPPED),
        ({"code": 400, "message": "Bad request."}, Trouble.REJECTED),
        ({"code": "429", "message": "Too many."}, Trouble.PROVIDER),
        ({"message": "No code."}, Trouble.PROVIDER),
        ("a text", Trouble.PROVIDER),
    ],
)
def test_an_error_of_xais_line_is_one_of_our_troubles(error: Any, trouble: Trouble) -> None:
    """By gRPC's number, or by an HTTP status; what is new may pass."""
    line = read_result({"batch_request_id": "job-one", "batch_result": {"error": error}})

    assert line is not None
    assert line.trouble is trouble
    assert read_result({"batch_request_id": "another", "batch_result": {}}) is None


async def test_xais_results_are_read_page_by_page_and_a_short_reading_is_no_answer() -> None:
    """Lines that are missing would be sent again, and paid twice."""
    server = XaiServer(api_key="key")
    async with server.serve() as base_url:
        provider = XaiProvider(api_key="key", base_url=base_url, project="p")
        remote_id = await _submitted(provider, "ns-1", _GROK)
        await server.settled()
        source = (await provider.retrieve(remote_id)).output_file_id
        assert source
        lines = b"".join([chunk async for chunk in provider.results(source)]).splitlines()
        assert [line and line.job_id for line in map(result_line.read, lines)] == ["one"]

        server.faults.add(RequestFault("GET", r"/v1/batches/[^/]+/results", status=200, body={"results": []}))
        with pytest.raises(ProviderTrouble, match="0 of 1 results"):
            _ = [chunk async for chunk in provider.results(source)]


async def test_no_credit_at_xai_is_hidden_in_a_429() -> None:
    """It passes when the operator pays, and not with the next minute."""
    said = "Your team has either used all available credits or reached its monthly spending limit."
    server = XaiServer(api_key="key")
    async with server.serve() as base_url:
        provider = XaiProvider(api_key="key", base_url=base_url, project="p")
        body = {"code": "Some resource has been exhausted", "error": said}
        server.faults.add(RequestFault("POST", "/v1/chat/completions", status=429, body=body))

        with pytest.raises(ProviderLocked):
            await provider.answer(_GROK, 10)


@pytest.mark.parametrize(
    ("provider", "model", "share"), [("groq", "openai/gpt-oss-20b", 0.5), ("xai", "grok-4.3", 0.8)]
)
def test_a_batch_is_priced_by_its_providers_own_discount(provider: str, model: str, share: float) -> None:
    """A fifth off at xAI, where others take half; each is found in the list under the list's own name."""
    used = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    realtime_usd, batch_usd = realtime_cost_usd(provider, model, used), batch_cost_usd(provider, model, used)

    assert realtime_usd
    assert batch_usd == pytest.approx(realtime_usd * share)
