"""The local server of xAI's API, asked by xAI's official SDK (`tests/local/xai_gateway.py`)."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import openai
import pytest
from xai_sdk import AsyncClient

from local.xai_server import XaiServer
from tests.local.xai_gateway import xai_gateway

MODEL = "grok-4.3"


@pytest.fixture
async def server() -> AsyncIterator[XaiServer]:
    """The REST server."""
    yield XaiServer(api_key="key")


@pytest.fixture
async def base_url(server: XaiServer) -> AsyncIterator[str]:
    """Where it is."""
    async with server.serve() as address:
        yield address


@pytest.fixture
async def sdk(base_url: str) -> AsyncIterator[AsyncClient]:
    """xAI's own client."""
    async with xai_gateway(base_url) as host:
        client = AsyncClient(api_key="key", api_host=host, use_insecure_channel=True)
        yield client
        await client.close()


async def _uploaded(base_url: str, *ids: str, model: str = MODEL) -> str:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "a bottle"}]}
    lines = [{"custom_id": each, "method": "POST", "url": "/v1/chat/completions", "body": body} for each in ids]
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    async with openai.AsyncOpenAI(api_key="key", base_url=base_url, max_retries=0) as client:
        return (await client.files.create(file=("in.jsonl", io.BytesIO(content)), purpose="batch")).id


async def test_a_batch_by_xais_sdk(server: XaiServer, base_url: str, sdk: AsyncClient) -> None:
    """Created by a name and a file, counted, listed, and read page by page, as the SDK's own messages."""
    file_id = await _uploaded(base_url, "one", "two", "three")
    created = await sdk.batch.create("mine", input_file_id=file_id)
    assert (created.name, created.input_file_id, created.state.num_requests) == ("mine", file_id, 0)
    await server.settled()

    shown = await sdk.batch.get(created.batch_id)
    assert (shown.state.num_requests, shown.state.num_pending, shown.state.num_success) == (3, 0, 3)
    assert shown.create_time.seconds and shown.expire_time.seconds > shown.create_time.seconds
    first = await sdk.batch.list_batch_results(created.batch_id, limit=2)
    rest = await sdk.batch.list_batch_results(created.batch_id, limit=2, pagination_token=first.pagination_token)
    results = [*first.results, *rest.results]
    assert sorted(result.batch_request_id for result in results) == ["one", "three", "two"]
    assert all(result.is_success and result.response.content for result in results)
    assert all(result.response.usage.total_tokens for result in results)
    assert rest.pagination_token is None

    other = await sdk.batch.create("other", input_file_id=await _uploaded(base_url, "four"))
    page = await sdk.batch.list(limit=1)
    more = await sdk.batch.list(limit=1, pagination_token=page.pagination_token)
    assert {batch.batch_id for batch in [*page.batches, *more.batches]} == {created.batch_id, other.batch_id}


async def test_a_stopped_and_a_rejected_batch_by_xais_sdk(server: XaiServer, base_url: str, sdk: AsyncClient) -> None:
    """A stopped one keeps what was answered; a rejected one has a message, and counters of 0."""
    server.hold("in_progress", answered=1)
    created = await sdk.batch.create("mine", input_file_id=await _uploaded(base_url, "one", "two"))
    await server.settled()
    await sdk.batch.cancel(created.batch_id)
    server.release()
    await server.settled()
    stopped = await sdk.batch.get(created.batch_id)
    assert stopped.cancel_time.seconds and not stopped.cancel_by_xai_message
    assert (stopped.state.num_success, stopped.state.num_cancelled) == (1, 1)
    results = await sdk.batch.list_batch_results(created.batch_id)
    assert [len(results.succeeded), len(results.failed)] == [1, 1]

    twice = await sdk.batch.create("twice", input_file_id=await _uploaded(base_url, "one", "one"))
    await server.settled()
    rejected = await sdk.batch.get(twice.batch_id)
    assert rejected.cancel_by_xai_message
    assert (rejected.state.num_requests, rejected.state.num_pending) == (0, 0)


async def test_what_is_not_there_is_said_to_xais_sdk(sdk: AsyncClient) -> None:
    """An unknown batch is not found."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await sdk.batch.get("batch_none")
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
