"""The local server of xAI's REST API, as OpenAI's client finds it, and by the requests of xAI's own pages.

xAI's official SDK speaks gRPC alone: `test_xai_sdk.py` brings it here. Its pages name OpenAI's client for REST
(https://docs.x.ai/docs/guides/migration), and show each request to a batch (https://docs.x.ai/docs/guides/batch-api).
"""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from local.xai_server import XaiServer

MODEL = "grok-4.3"
MESSAGES: Any = [{"role": "user", "content": "a bottle"}]


@pytest.fixture
async def served() -> AsyncIterator[tuple[openai.AsyncOpenAI, XaiServer]]:
    """OpenAI's client at xAI's address, and the server."""
    server = XaiServer(api_key="key")
    async with (
        server.serve() as base_url,
        openai.AsyncOpenAI(api_key="key", base_url=base_url, max_retries=0) as client,
    ):
        yield client, server


async def _created(client: openai.AsyncOpenAI, *ids: str) -> dict[str, Any]:
    lines = [
        {
            "custom_id": each,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": MODEL, "messages": MESSAGES},
        }
        for each in ids
    ]
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    uploaded = await client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")
    return await _post(client, "/batches", {"name": "mine", "input_file_id": uploaded.id})


async def _post(client: openai.AsyncOpenAI, path: str, body: Any = None) -> dict[str, Any]:
    answer = await client.post(path, cast_to=object, body=body or {})
    assert isinstance(answer, dict)
    return answer


async def _get(client: openai.AsyncOpenAI, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, cast_to=object, options={"params": query})
    assert isinstance(answer, dict)
    return answer


async def test_a_completion_by_openais_client(served: tuple[openai.AsyncOpenAI, XaiServer]) -> None:
    """A model of xAI's answers; another is not there."""
    client, _ = served
    answered = await client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert answered.choices[0].message.content
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)


async def test_a_batch_by_the_requests_of_xais_page(served: tuple[openai.AsyncOpenAI, XaiServer]) -> None:
    """Created by a name and a file, counted without a status, listed by a token, and read page by page."""
    client, server = served
    created = await _created(client, "one", "two", "three")
    assert (created["name"], created["state"]["num_requests"]) == ("mine", 0), "it is not read yet"
    await server.settled()

    shown = await _get(client, f"/batches/{created['batch_id']}")
    assert "status" not in shown
    counters = {"num_requests": 3, "num_pending": 0, "num_success": 3, "num_error": 0, "num_cancelled": 0}
    assert shown["state"] == counters
    first = await _get(client, f"/batches/{created['batch_id']}/results", limit=2)
    rest = await _get(
        client, f"/batches/{created['batch_id']}/results", limit=2, pagination_token=first["pagination_token"]
    )
    read = [*first["results"], *rest["results"]]
    assert sorted(result["batch_request_id"] for result in read) == ["one", "three", "two"]
    assert all("chat_get_completion" in result["batch_result"]["response"] for result in read)
    assert "pagination_token" not in rest

    await _created(client, "four")
    listed = await _get(client, "/batches", limit=1)
    more = await _get(client, "/batches", limit=1, pagination_token=listed["pagination_token"])
    assert len({batch["batch_id"] for batch in [*listed["batches"], *more["batches"]]}) == 2


async def test_a_batch_is_stopped_by_a_colon(served: tuple[openai.AsyncOpenAI, XaiServer]) -> None:
    """What was answered by then can be read; all else is cancelled."""
    client, server = served
    server.hold("in_progress", answered=1)
    created = await _created(client, "one", "two")
    await server.settled()
    with pytest.raises(openai.NotFoundError):
        await _post(client, f"/batches/{created['batch_id']}/cancel")
    await _post(client, f"/batches/{created['batch_id']}:cancel")
    server.release()
    await server.settled()
    shown = await _get(client, f"/batches/{created['batch_id']}")
    assert shown["cancel_time"]
    assert (shown["state"]["num_success"], shown["state"]["num_cancelled"]) == (1, 1)
