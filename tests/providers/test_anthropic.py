"""What is Anthropic's own: a schema without the keywords that it refuses, its errors, its limits, its usage."""

import io
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from local.anthropic_server import AnthropicServer
from local.anthropic_server.message_request import check_schema
from local.provider_server.faults import RequestFault
from nightshift import job_types
from nightshift.job_types.base import JobType
from nightshift.providers.anthropic.client import AnthropicProvider
from nightshift.providers.anthropic.codes import complaint_of, trouble_of_line
from nightshift.providers.anthropic.headers import rate_limits
from nightshift.providers.anthropic.result import read_line
from nightshift.providers.anthropic.schema import accepted
from nightshift.providers.base import Intent, ProviderLocked, ProviderTrouble
from nightshift.values.trouble import Trouble
from nightshift.values.usage import Usage


@pytest.mark.parametrize(
    "job_type", [one for one in job_types.registered().values() if one.dimensions is None], ids=lambda one: one.name
)
def test_every_job_types_schema_is_one_that_anthropic_takes(job_type: JobType[Any]) -> None:
    """No keyword that it refuses is left, and each bound stands in a description."""
    schema = accepted(job_type.schema())
    check_schema(schema)
    assert schema["properties"].keys() == job_type.schema()["properties"].keys()
    for name, field in job_type.schema()["properties"].items():
        for bound in ("minimum", "maximum", "maxItems"):
            if bound in field:
                assert f"{bound}: {field[bound]}" in schema["properties"][name]["description"]


def test_a_schema_keeps_what_its_references_mean() -> None:
    """Definitions are cleaned where they stand; a reference stands alone."""
    schema = accepted(
        {
            "type": "object",
            "properties": {
                "one": {"$ref": "#/$defs/One", "description": "dropped"},
                "two": {"anyOf": [{"maxLength": 3, "type": "string"}]},
            },
            "$defs": {"One": {"type": "integer", "minimum": 1}},
        }
    )
    check_schema(schema)
    assert schema["properties"]["one"] == {"$ref": "#/$defs/One"}
    assert schema["$defs"]["One"] == {"type": "integer", "description": "{minimum: 1}"}
    assert schema["properties"]["two"] == {"anyOf": [{"type": "string", "description": "{maxLength: 3}"}]}


@pytest.mark.parametrize(
    ("status", "kind", "message", "code", "means"),
    [
        (400, "invalid_request_error", "Your credit balance is too low to access the API.", None, Trouble.LOCKED),
        (429, "rate_limit_error", "Spend limit reached", "enforced_spend_limit_reached", Trouble.LOCKED),
        (429, "rate_limit_error", "This request would exceed your rate limit", None, Trouble.PROVIDER),
        (529, "overloaded_error", "Overloaded", None, Trouble.PROVIDER),
        (404, "not_found_error", "model: claude-none", None, Trouble.MODEL_UNKNOWN),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", None, Trouble.TOO_LONG),
        (400, "invalid_request_error", "Output blocked by content filtering policy", None, Trouble.POLICY),
        (
            400,
            "invalid_request_error",
            "Unable to download the file. Please verify the URL",
            None,
            Trouble.IMAGE_NOT_FETCHED,
        ),
        (400, "invalid_request_error", "Could not process image", None, Trouble.IMAGE_UNREADABLE),
        (
            400,
            "invalid_request_error",
            "For 'integer' type, property 'minimum' is not supported",
            None,
            Trouble.REJECTED,
        ),
        (401, "authentication_error", "invalid x-api-key", None, Trouble.LOCKED),
        (500, "invalid_request_error", "prompt is too long", None, Trouble.PROVIDER),
    ],
)
def test_an_error_means_the_same_in_a_line_and_in_real_time(
    status: int, kind: str, message: str, code: str | None, means: Trouble
) -> None:
    """Some of what matters stands in the message alone; no credit hides in a 400 and in a 429."""
    error = {"type": kind, "message": message, **({"details": {"error_code": code}} if code else {})}
    complaint = complaint_of({"type": "error", "error": error, "request_id": "req_1"})
    assert complaint.means(status, is_about_request=True) is means
    if status != 500:
        assert trouble_of_line({"type": "error", "error": error})[0] is means
    about_no_request = complaint.means(status, is_about_request=False)
    assert not about_no_request.is_final
    assert about_no_request is not Trouble.REJECTED


def test_what_a_cache_held_is_input_too() -> None:
    """There it is counted beside the input; here it is within it, and what was read from it is known."""
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7}
    message = {"content": [{"type": "text", "text": "{}"}], "stop_reason": "end_turn", "usage": usage}
    line = read_line(json.dumps({"custom_id": "job-one", "result": {"type": "succeeded", "message": message}}).encode())
    assert line
    assert line.usage == Usage(input_tokens=115, output_tokens=7, cached_input_tokens=100)
    assert line.stop == "end"


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b'{"custom_id": "job-one"}', b'{"custom_id": 1}', b"\xff{", b"{" * 9000]
)
def test_no_line_is_trusted(line: bytes) -> None:
    """It names no job, or says nothing of it; it never raises."""
    said = read_line(line)
    assert said is None or said.trouble is Trouble.PROVIDER


def test_a_reset_is_a_moment_there_and_a_time_here() -> None:
    """By the clock of the answer itself."""
    told = rate_limits(
        httpx2.Headers(
            {
                "date": "Sat, 28 Nov 2026 12:00:00 GMT",
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2026-11-28T12:00:30Z",
                "anthropic-ratelimit-tokens-remaining": "x",
                "anthropic-ratelimit-tokens-reset": "soon",
            }
        )
    )
    assert (told.requests, told.remaining_requests, told.requests_reset_seconds) == (50, 3, 30)
    assert (told.remaining_tokens, told.tokens_reset_seconds) == (None, None)


async def test_a_stream_of_results_that_ends_in_order_and_early_is_noticed() -> None:
    """By the number of requests that the batch states."""
    server = AnthropicServer(api_key="key")
    async with server.serve() as base_url:
        provider = AnthropicProvider(api_key="key", base_url=base_url)
        lines = b"".join(
            b'{"custom_id":"job-%d","params":{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"}]}}\n'
            % n
            for n in range(3)
        )
        intent = Intent(batch_id="ns-1", endpoint="/v1/messages", model="m", requests=3, input_file_id=None)
        created = await provider.create(intent, io.BytesIO(lines))
        await server.settled()
        server.faults.add(RequestFault("GET", ".*/results", truncate_at=200, clean=True))
        with pytest.raises(ProviderTrouble, match="of 3 results"):
            _ = [chunk async for chunk in provider.results(created.remote_id)]
        await provider._client.close()


async def test_a_key_without_credit_waits_for_the_operator() -> None:
    """A 429 with the code of a spend limit, and no time to come again."""
    server = AnthropicServer(api_key="key")
    async with server.serve() as base_url:
        provider = AnthropicProvider(api_key="key", base_url=base_url)
        spent = {
            "type": "rate_limit_error",
            "message": "Spent.",
            "details": {"error_code": "enforced_spend_limit_reached"},
        }
        server.faults.add(RequestFault("GET", ".*", status=429, body={"type": "error", "error": spent}))
        with pytest.raises(ProviderLocked):
            _ = [batch async for batch in provider.batches()]
        assert len(server.calls) == 1, "it is not asked again at once"
        await provider._client.close()


async def test_a_large_batch_is_sent_from_a_file_and_never_held_whole() -> None:
    """The body is one array, of the length that was announced; the file is read a piece at a time."""
    server = AnthropicServer(api_key="key")
    async with server.serve() as base_url:
        provider = AnthropicProvider(api_key="key", base_url=base_url)
        text = "x" * 9_000
        lines = b"".join(
            b'{"custom_id":"job-%d","params":{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"%s"}]}}\n'
            % (n, text.encode())
            for n in range(100)
        )
        content = _Pieces(lines)
        intent = Intent(batch_id="ns-1", endpoint="/v1/messages", model="m", requests=100, input_file_id=None)
        server.hold("validating")
        created = await provider.create(intent, content)
        assert created.requests == 100
        assert created.created_at
        assert max(content.sizes) <= 256 * 1024 < len(lines)
        listed = [batch async for batch in provider.batches()]
        assert [batch.remote_id for batch in listed] == [created.remote_id]
        assert abs(listed[0].created_at - created.created_at) < timedelta(seconds=1) if listed[0].created_at else False
        await provider._client.close()


class _Pieces(io.BytesIO):
    """A file that notes how much of it is read at once."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.sizes: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.sizes.append(len(piece))
        return piece
