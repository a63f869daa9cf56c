"""The local server of Anthropic's API, as the official SDK finds it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.anthropic_server import AnthropicServer
from local.provider_server.faults import ReplyRule
from local.provider_server.reply import Reply

MODEL = "claude-haiku-4-5"
SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"type": "string", "enum": ["glad", "sad"]},
        "sure": {"type": "integer", "minimum": 2, "maximum": 3},
    },
    "required": ["mood", "sure"],
}
_TIFF = [{"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "AAAA"}}]


@pytest.fixture
async def sdk() -> AsyncIterator[tuple[Any, AnthropicServer]]:
    """The SDK, and the server that it asks."""
    # Thousands of generated types: only a worker that runs these tests loads them.
    from anthropic import AsyncAnthropic

    server = AnthropicServer(api_key="key")
    async with server.serve() as base_url, AsyncAnthropic(api_key="key", base_url=base_url, max_retries=0) as client:
        yield client, server


def _params(text: str, **more: Any) -> Any:
    return {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": text}], **more}


async def test_a_message_is_answered_in_the_asked_shape(sdk: tuple[Any, AnthropicServer]) -> None:
    """The stand-in reads the bounds where the SDK's own rule puts them: in the descriptions."""
    from anthropic import transform_schema

    client, _ = sdk
    form = {"format": {"type": "json_schema", "schema": transform_schema(SCHEMA)}}
    message = await client.messages.create(**_params("I am sad.", output_config=form))
    (block,) = message.content
    assert block.type == "text"
    assert block.text in {'{"mood": "sad", "sure": 2}', '{"mood": "sad", "sure": 3}'}
    assert (message.stop_reason, message.usage.output_tokens > 0) == ("end_turn", True)


async def test_a_batch_goes_from_its_creation_to_its_deletion(sdk: tuple[Any, AnthropicServer]) -> None:
    """Counts are zero until it has ended; each request then has a line, whatever became of it."""
    from anthropic import NotFoundError

    client, server = sdk
    server.faults.add(
        ReplyRule(Reply.refuses("No."), custom_id="two"), ReplyRule(Reply.http_error(400), custom_id="three")
    )
    server.hold("in_progress", answered=3)
    requests: Any = [{"custom_id": name, "params": _params(name)} for name in ("one", "two", "three", "four")]
    batch = await client.messages.batches.create(requests=requests)
    await server.settled()
    shown = await client.messages.batches.retrieve(batch.id)
    assert (shown.processing_status, shown.request_counts.processing, shown.results_url) == ("in_progress", 4, None)

    assert (await client.messages.batches.cancel(batch.id)).processing_status == "canceling"
    await server.settled()

    (ended,) = [listed async for listed in client.messages.batches.list(limit=1)]
    assert (ended.processing_status, ended.id) == ("ended", batch.id)
    counts = ended.request_counts
    assert (counts.succeeded, counts.errored, counts.canceled, counts.expired, counts.processing) == (2, 1, 1, 0, 0)
    results = {line.custom_id: line.result async for line in await client.messages.batches.results(batch.id)}
    assert {name: result.type for name, result in results.items()} == {
        "one": "succeeded",
        "two": "succeeded",
        "three": "errored",
        "four": "canceled",
    }
    refused = results["two"]
    assert refused.type == "succeeded"
    assert refused.message.stop_reason == "refusal"
    failed = results["three"]
    assert failed.type == "errored"
    assert failed.error.error.type == "invalid_request_error"
    await client.messages.batches.delete(batch.id)
    with pytest.raises(NotFoundError):
        await client.messages.batches.retrieve(batch.id)
    assert not server.files, "nothing is left of it"


@pytest.mark.parametrize(
    ("params", "status"),
    [
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}}},
            400,
        ),
        ({"messages": [{"role": "user", "content": _TIFF}]}, 400),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, 400),
        ({"max_tokens": 0}, 400),
    ],
)
async def test_what_the_api_refuses_is_refused(
    sdk: tuple[Any, AnthropicServer], params: dict[str, Any], status: int
) -> None:
    """With a bound in a schema, an image of another type, a blank text, no tokens; in a batch, the line is refused."""
    from anthropic import APIStatusError

    client, server = sdk
    with pytest.raises(APIStatusError) as refused:
        await client.messages.create(**{**_params("hello"), **params})
    assert refused.value.status_code == status
    requests: Any = [{"custom_id": "one", "params": {**_params("hello"), **params}}]
    batch = await client.messages.batches.create(requests=requests)
    await server.settled()
    (line,) = [line async for line in await client.messages.batches.results(batch.id)]
    assert line.result.type == "errored"


async def test_a_wrong_key_and_a_doubled_id_are_refused(sdk: tuple[Any, AnthropicServer]) -> None:
    """Before anything is made of them."""
    from anthropic import APIStatusError, AuthenticationError

    client, server = sdk
    with pytest.raises(AuthenticationError):
        await client.with_options(api_key="another").messages.create(**_params("hello"))
    requests: Any = [{"custom_id": "one", "params": _params("hello")}] * 2
    with pytest.raises(APIStatusError, match="duplicate"):
        await client.messages.batches.create(requests=requests)
    assert not server.batches
