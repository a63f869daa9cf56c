"""The local server of Gemini's API, as the official SDK finds it."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.gemini_server import GeminiServer
from local.provider_server.faults import ReplyRule
from local.provider_server.reply import Reply

MODEL = "gemini-2.5-flash"
SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"type": "string", "enum": ["glad", "sad"]},
        "sure": {"type": "integer", "minimum": 2, "maximum": 3},
    },
    "required": ["mood", "sure"],
}


@pytest.fixture
async def sdk() -> AsyncIterator[tuple[Any, GeminiServer]]:
    """The SDK, and the server that it asks."""
    # Thousands of generated types: only a worker that runs these tests loads them.
    from google import genai
    from google.genai import types

    server = GeminiServer(api_key="key")
    async with server.serve() as base_url:
        yield genai.Client(api_key="key", http_options=types.HttpOptions(base_url=base_url)), server


async def test_content_is_generated_in_the_asked_shape(sdk: tuple[Any, GeminiServer]) -> None:
    """Under the version of the API that the SDK takes."""
    from google.genai import types

    client, _ = sdk
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)
    answered = await client.aio.models.generate_content(model=MODEL, contents="I am sad.", config=config)
    assert json.loads(answered.text or "")["mood"] == "sad"
    assert json.loads(answered.text or "")["sure"] in {2, 3}
    assert answered.usage_metadata
    assert answered.usage_metadata.candidates_token_count


async def test_a_batch_goes_from_its_file_to_its_deletion(sdk: tuple[Any, GeminiServer]) -> None:
    """It succeeds, and a line of it failed."""
    from google.genai import types

    client, server = sdk
    server.faults.add(ReplyRule(Reply.http_error(400), custom_id="two"))
    server.hold("validating")
    content: Any = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    lines = b"".join(json.dumps({"key": key, "request": content}).encode() + b"\n" for key in ("one", "two"))
    uploaded = await client.aio.files.upload(
        file=io.BytesIO(lines), config=types.UploadFileConfig(display_name="in.jsonl", mime_type="application/jsonl")
    )
    assert uploaded.name
    made = await client.aio.batches.create(
        model=MODEL, src=uploaded.name, config=types.CreateBatchJobConfig(display_name="mine")
    )
    assert (made.state, made.display_name) == (types.JobState.JOB_STATE_PENDING, "mine")
    server.release()
    await server.settled()

    (ended,) = [job async for job in await client.aio.batches.list()]

    assert (ended.state, ended.name) == (types.JobState.JOB_STATE_SUCCEEDED, made.name)
    assert ended.dest
    assert ended.dest.file_name
    results = (await client.aio.files.download(file=ended.dest.file_name)).splitlines()
    by_key = {json.loads(line)["key"]: json.loads(line) for line in results}
    assert by_key["one"]["response"]["candidates"][0]["finishReason"] == "STOP"
    assert by_key["two"]["error"]["code"] == 3
    assert made.name
    await client.aio.batches.delete(name=made.name)
    assert not server.batches
    assert [file.name async for file in await client.aio.files.list() if file.display_name] == [uploaded.name]


async def test_a_cancelled_batch_gives_nothing_back(sdk: tuple[Any, GeminiServer]) -> None:
    """Neither does one that expired."""
    from google.genai import types

    client, server = sdk
    server.hold("in_progress", answered=0)
    line = json.dumps({"key": "one", "request": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}})
    file = await client.aio.files.upload(
        file=io.BytesIO(line.encode()), config=types.UploadFileConfig(mime_type="application/jsonl")
    )
    made = await client.aio.batches.create(model=MODEL, src=file.name or "")
    await server.settled()
    assert made.name
    await client.aio.batches.cancel(name=made.name)
    server.release()
    await server.settled()
    ended = await client.aio.batches.get(name=made.name)
    assert ended.state == types.JobState.JOB_STATE_CANCELLED
    assert not (ended.dest and ended.dest.file_name)


async def test_a_batch_of_embeddings_gives_a_vector_for_each_line(sdk: tuple[Any, GeminiServer]) -> None:
    """Of as many numbers as was asked for; equal texts have equal vectors."""
    from google.genai import types

    client, server = sdk
    line = {"content": {"parts": [{"text": "a bottle"}]}, "outputDimensionality": 8}
    lines = b"".join(json.dumps({"key": key, "request": line}).encode() + b"\n" for key in ("one", "two"))
    file = await client.aio.files.upload(
        file=io.BytesIO(lines), config=types.UploadFileConfig(mime_type="application/jsonl")
    )
    made = await client.aio.batches.create_embeddings(
        model="gemini-embedding-001", src=types.EmbeddingsBatchJobSource(file_name=file.name)
    )
    await server.settled()
    ended = await client.aio.batches.get(name=made.name or "")
    assert ended.state == types.JobState.JOB_STATE_SUCCEEDED
    assert ended.dest
    assert ended.dest.file_name
    results = (await client.aio.files.download(file=ended.dest.file_name)).splitlines()
    one, two = (json.loads(result)["response"]["embedding"]["values"] for result in results)
    assert len(one) == 8
    assert one == two


async def test_a_wrong_key_is_refused(sdk: tuple[Any, GeminiServer]) -> None:
    """As the API does it, with a 400."""
    from google import genai
    from google.genai import errors, types

    client, _ = sdk
    address = client._api_client._http_options.base_url
    stranger = genai.Client(api_key="another", http_options=types.HttpOptions(base_url=address))
    with pytest.raises(errors.ClientError) as refused:
        await stranger.aio.models.generate_content(model=MODEL, contents="hello")
    assert refused.value.code == 400
