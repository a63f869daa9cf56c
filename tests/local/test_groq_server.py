"""Groq's official SDK against the local server: its files, batches, listing and answers in real time."""

import io
import json
from collections.abc import AsyncIterator

import groq
import pytest

from local.groq_server import GroqServer
from local.openai_server import BatchFault

_SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
_STRICT = {"name": "one", "strict": True, "schema": _SCHEMA}
_MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def served() -> AsyncIterator[tuple[groq.AsyncGroq, GroqServer]]:
    """The SDK, which adds `/openai/v1` by itself, and the server."""
    server = GroqServer(api_key="key")
    async with server.serve() as base_url:
        address = base_url.removesuffix("/openai/v1")
        async with groq.AsyncGroq(api_key="key", base_url=address, max_retries=0) as client:
            yield client, server


async def _created(client: groq.AsyncGroq, model: str = "openai/gpt-oss-20b") -> str:
    body = {"model": model, "messages": _MESSAGES}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    content = io.BytesIO(json.dumps(line).encode() + b"\n")
    uploaded = await client.files.create(file=("one.jsonl", content), purpose="batch")
    batch = await client.batches.create(
        input_file_id=uploaded.id or "", endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
    )
    return batch.id


async def test_a_batch_by_the_official_sdk(served: tuple[groq.AsyncGroq, GroqServer]) -> None:
    """Created with metadata, listed with a cursor, ended, and its output read."""
    client, server = served
    created = {await _created(client) for _ in range(21)}
    await server.settled()

    first = await client.batches.list()
    rest = await client.get("/openai/v1/batches", cast_to=object, options={"params": {"cursor": _cursor(first)}})

    assert isinstance(rest, dict)
    assert "next_cursor" not in rest["paging"]
    assert {batch.id for batch in first.data or []} | {batch["id"] for batch in rest["data"]} == created
    ended = await client.batches.retrieve(created.pop())
    assert (ended.status, ended.metadata) == ("completed", {"a": "b"})
    output = await client.files.content(ended.output_file_id or "")
    assert json.loads(await output.read())["custom_id"] == "one"


def _cursor(listed: object) -> str:
    paging: dict[str, str] = getattr(listed, "paging", {})
    return paging["next_cursor"]


async def test_errors_of_a_batch_are_an_array(served: tuple[groq.AsyncGroq, GroqServer]) -> None:
    """Not an object with `data`, as OpenAI has it."""
    client, server = served
    server.faults.add(BatchFault(fail_code="queue_full"))
    batch_id = await _created(client)
    await server.settled()

    failed = await client.get(f"/openai/v1/batches/{batch_id}", cast_to=object)

    assert isinstance(failed, dict)
    assert (failed["status"], [error["code"] for error in failed["errors"]]) == ("failed", ["queue_full"])


async def test_strict_mode_is_of_two_models_only(served: tuple[groq.AsyncGroq, GroqServer]) -> None:
    """Any other model refuses it, and answers without."""
    client, _ = served
    for model, is_strict in {"openai/gpt-oss-20b": True, "llama-3.3-70b-versatile": False}.items():
        wanted = {"type": "json_schema", "json_schema": _STRICT | {"strict": is_strict}}
        answered = await client.post(
            "/openai/v1/chat/completions",
            body={"model": model, "messages": _MESSAGES, "response_format": wanted},
            cast_to=object,
        )
        assert isinstance(answered, dict)
    wanted = {"type": "json_schema", "json_schema": _STRICT}
    with pytest.raises(groq.BadRequestError, match="strict"):
        await client.post(
            "/openai/v1/chat/completions",
            body={"model": "llama-3.3-70b-versatile", "messages": _MESSAGES, "response_format": wanted},
            cast_to=object,
        )
