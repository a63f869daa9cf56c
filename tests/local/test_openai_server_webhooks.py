"""The server's webhooks: signed as OpenAI signs, sent for every end of a batch, repeated until they are taken."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI, InvalidWebhookSignatureError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.openai_server import BatchFault, OpenAIServer
from local.openai_server.webhooks import new_secret
from local.serve import serving
from tests.local.test_openai_server_rig import KEY, Rig, request_line, rig
from tests.support.patience import PATIENCE_SECONDS

ANOTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQ="


class Receiver:
    """A server that gets the events; answers with the `statuses` in turn, and then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.received: asyncio.Queue[tuple[Mapping[str, str], bytes]] = asyncio.Queue()
        self._statuses = list(statuses)
        self.app = Starlette(routes=[Route("/hook", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.received.put_nowait((request.headers, await request.body()))
        return Response(status_code=self._statuses.pop(0) if self._statuses else 200)


@asynccontextmanager
async def told(receiver: Receiver) -> AsyncIterator[Rig]:
    """A server that tells the receiver of its batches."""
    async with (
        serving(receiver.app) as address,
        rig(OpenAIServer(api_key=KEY, webhook_url=f"http://{address}/hook")) as running,
    ):
        yield running


def client(server: OpenAIServer) -> AsyncOpenAI:
    """The official SDK, with the server's secret."""
    return AsyncOpenAI(api_key="none", webhook_secret=server.webhook_secret)


@pytest.mark.parametrize("end", ["completed", "failed", "expired", "cancelled"])
async def test_every_end_of_a_batch_is_one_event_and_the_sdk_believes_it(end: str) -> None:
    """The event names the batch and how it ended, in the SDK's own class for it."""
    receiver = Receiver()
    async with told(receiver) as running:
        server = running.server
        if end == "failed":
            server.faults.add(BatchFault(fail_code="token_limit_exceeded"))
        elif end != "completed":
            server.hold("in_progress")
        batch = await running.submit(request_line("a"))
        if end == "expired":
            await server.expire(batch.id)
        elif end == "cancelled":
            await running.client.batches.cancel(batch.id)
        server.release()

        headers, body = await asyncio.wait_for(receiver.received.get(), PATIENCE_SECONDS)

        event: Any = client(server).webhooks.unwrap(body, headers)
        assert event.type == f"batch.{end}"
        assert event.data.id == batch.id
        assert event.id.startswith("evt_")
        assert json.loads(body).keys() == {"object", "id", "type", "created_at", "data"}
        assert headers["webhook-id"].startswith("wh_")
        assert server.batches[batch.id].status == end
    assert receiver.received.empty()


async def test_an_event_that_is_not_taken_is_sent_again_under_its_id() -> None:
    """Each delivery is signed for its own time; after the first 2xx there is no other."""
    receiver = Receiver(500, 404)
    async with told(receiver) as running:
        await running.run(request_line("a"))

        deliveries = [await asyncio.wait_for(receiver.received.get(), PATIENCE_SECONDS) for _ in range(3)]

        for headers, body in deliveries:
            client(running.server).webhooks.unwrap(body, headers)
        assert len({headers["webhook-id"] for headers, _ in deliveries}) == 1
        assert len({body for _, body in deliveries}) == 1
    assert receiver.received.empty()


async def test_a_receiver_that_does_not_answer_holds_nothing_up() -> None:
    """No server listens: the batch ends as ever, and the provider's server closes with the delivery under way."""
    async with rig(OpenAIServer(api_key=KEY, webhook_url="http://127.0.0.1:9/hook")) as running:
        batch = await running.run(request_line("a"))
        assert batch.status == "completed"


async def test_a_test_can_have_any_event_signed() -> None:
    """Of a batch that is not there, of an hour ago, with another secret: signed rightly, or wrongly on purpose."""
    server = OpenAIServer()
    try:
        headers, body = server.webhook("batch_any", "batch.failed", event_id="wh_one")
        event: Any = client(server).webhooks.unwrap(body, headers)
        assert (headers["webhook-id"], event.type, event.data.id) == ("wh_one", "batch.failed", "batch_any")

        headers, body = server.webhook("batch_any", body=b"[]")
        client(server).webhooks.verify_signature(body, headers)

        for forged in (
            server.webhook("batch_any", sent_at=time.time() - 3600),
            server.webhook("batch_any", secret=ANOTHER_SECRET),
        ):
            with pytest.raises(InvalidWebhookSignatureError):
                client(server).webhooks.unwrap(forged[1], forged[0])
    finally:
        await server.close()


def test_every_server_has_a_secret_of_its_own() -> None:
    """A key of 24 random bytes, in the standard's form."""
    assert new_secret() != new_secret()
    assert len(new_secret()) == len("whsec_") + 32
