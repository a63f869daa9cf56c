"""The relay against real HTTP servers that stand where the functions do."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.relay import IN_FLIGHT, Relay, running_relay
from local.serve import serving
from tests.support.patience import PATIENCE_SECONDS, patience

TRIGGER = "/functions/projects/demo/triggers/on_created"
EVENT = {
    "ce-id": "event-1",
    "ce-type": "google.cloud.firestore.document.v1.created",
    "ce-source": "//firestore.googleapis.com/projects/demo/databases/(default)",
    "ce-specversion": "1.0",
    "ce-document": "ai_jobs/one",
    "content-type": "application/protobuf",
}


@dataclass
class Function:
    """Answers with `answers` in turn, then 200, and not before it may; keeps what it received."""

    answers: list[int] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    @classmethod
    def slow(cls) -> "Function":
        """One that answers nothing until it is let go."""
        function = cls()
        function.may_answer.clear()
        return function

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def __call__(self, request: Request) -> Response:
        self.received.append((dict(request.headers), await request.body()))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_answer.wait()
        self.at_once -= 1
        return Response(status_code=self.answers.pop(0) if self.answers else 200)


@asynccontextmanager
async def relaying(
    function: Function, deliver_for_seconds: float = 60
) -> AsyncIterator[tuple[Relay, httpx.AsyncClient]]:
    """A relay before that function, and a client that plays the emulators."""

    async def endpoint(request: Request) -> Response:
        return await function(request)

    app = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    async with serving(app) as function_address:
        url = f"http://{function_address}/"
        relay = Relay(
            project="demo",
            triggers={"on_created": url, "not_there": "http://127.0.0.1:9/"},
            topics={"tick": url},
            deliver_for_seconds=deliver_for_seconds,
        )
        async with (
            running_relay(relay) as address,
            httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=PATIENCE_SECONDS) as emulator,
        ):
            yield relay, emulator


async def settled(relay: Relay) -> None:
    """Wait until nothing is on its way."""
    async with patience():
        while relay.counts.pending:  # noqa: ASYNC110 - the relay counts, and sends no event
            await asyncio.sleep(0.01)


async def test_a_firestore_event_arrives_as_it_came() -> None:
    """Its CloudEvent headers and its body are passed on, and nothing of the emulator's connection."""
    function = Function()
    async with relaying(function) as (relay, emulator):
        answer = await emulator.post(TRIGGER, headers={**EVENT, "x-other": "1"}, content=b"CgQxMjM0")
        await settled(relay)

    [(headers, body)] = function.received
    assert answer.is_success
    assert body == b"CgQxMjM0"
    assert {name: headers[name] for name in EVENT} == EVENT
    assert "x-other" not in headers


async def test_the_emulator_is_answered_before_the_function_is() -> None:
    """The Firestore emulator sends one event at a time, so a slow function must not hold it."""
    function = Function.slow()
    async with relaying(function) as (relay, emulator):
        answer = await emulator.post(TRIGGER, headers=EVENT)
        assert answer.is_success
        assert (relay.counts.pending, relay.counts.delivered) == (1, 0)
        function.may_answer.set()
        await settled(relay)

    assert relay.counts.delivered == 1


async def test_events_are_delivered_at_the_same_time_up_to_a_bound() -> None:
    """A hundred events to a function that takes a while: as many at once as the bound says, and never more."""
    function = Function.slow()
    async with relaying(function) as (relay, emulator):
        for number in range(100):
            await emulator.post(TRIGGER, headers={**EVENT, "ce-id": f"event-{number}"})
        async with patience():
            while function.at_once < IN_FLIGHT:  # noqa: ASYNC110 - the function's count sends no event
                await asyncio.sleep(0.01)
        # One more than the bound would come now.
        await asyncio.sleep(0.1)
        function.may_answer.set()
        await settled(relay)

    assert {headers["ce-id"] for headers, _ in function.received} == {f"event-{n}" for n in range(100)}
    assert function.most_at_once == IN_FLIGHT


async def test_an_event_is_delivered_again_until_the_function_takes_it() -> None:
    """Whatever is no 2xx counts as failed, and every try carries the same CloudEvent id."""
    function = Function(answers=[500, 429, 302, 404])
    async with relaying(function) as (relay, emulator):
        await emulator.post(TRIGGER, headers=EVENT, content=b"body")
        await settled(relay)

        assert [headers["ce-id"] for headers, _ in function.received] == ["event-1"] * 5
        assert {body for _, body in function.received} == {b"body"}
        assert (await emulator.get("/status")).json() == {
            "pending": 0,
            "delivered": 1,
            "retried": 4,
            "gave_up": 0,
        }


async def test_a_function_that_is_not_there_delays_no_other() -> None:
    """A refused connection is retried like a failure, and holds no place while it waits."""
    function = Function()
    async with relaying(function) as (relay, emulator):
        for _ in range(IN_FLIGHT + 10):
            await emulator.post("/functions/projects/demo/triggers/not_there", headers=EVENT)
        await emulator.post(TRIGGER, headers=EVENT)
        async with patience():
            while not function.received:  # noqa: ASYNC110 - the function's list sends no event
                await asyncio.sleep(0.01)

        assert relay.counts.pending >= IN_FLIGHT + 10


async def test_an_event_is_given_up_when_its_time_is_over() -> None:
    """In production that is a day; here it is a moment."""
    function = Function(answers=[500] * 100)
    async with relaying(function, deliver_for_seconds=0.3) as (relay, emulator):
        await emulator.post(TRIGGER, headers=EVENT)
        await settled(relay)

    assert relay.counts.gave_up == 1
    assert relay.counts.delivered == 0


async def test_a_pubsub_push_arrives_as_eventarc_wraps_it() -> None:
    """The emulator speaks Pub/Sub's own JSON; a function sees a CloudEvent."""
    function = Function()
    push = {
        "subscription": "projects/demo/subscriptions/tick-push",
        "message": {
            "data": base64.b64encode(b"{}").decode(),
            "messageId": "7",
            "message_id": "7",
            "publishTime": "2025-06-19T17:45:22.450Z",
            "publish_time": "2025-06-19T17:45:22.450Z",
            "attributes": {"batch": "b1"},
        },
    }
    async with relaying(function) as (relay, emulator):
        answer = await emulator.post("/pubsub/tick", json=push)
        await settled(relay)

    [(headers, body)] = function.received
    assert answer.status_code == 204  # the Pub/Sub emulator takes a 202 for a failure
    assert headers["ce-id"] == "7"
    assert headers["ce-type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    assert headers["ce-source"] == "//pubsub.googleapis.com/projects/demo/topics/tick"
    assert headers["ce-specversion"] == "1.0"
    assert headers["content-type"] == "application/json"
    assert httpx.Response(200, content=body).json() == {
        "message": {
            "data": "e30=",
            "attributes": {"batch": "b1"},
            "messageId": "7",
            "publishTime": "2025-06-19T17:45:22.450Z",
        },
        "subscription": "projects/demo/subscriptions/tick-push",
    }


@pytest.mark.parametrize("path", ["/functions/projects/demo/triggers/unknown", "/pubsub/unknown"])
async def test_an_event_without_a_function_is_refused(path: str) -> None:
    """A route that was forgotten shows as 404 and not as silence."""
    async with relaying(Function()) as (relay, emulator):
        answer = await emulator.post(path, headers=EVENT, json={})

    assert answer.status_code == 404
    assert relay.counts.pending == 0


async def test_closing_does_not_wait_for_events_that_cannot_arrive() -> None:
    """What is on its way has half a second; then the stack goes."""
    function = Function(answers=[500] * 1000)
    async with relaying(function) as (relay, emulator):
        await emulator.post(TRIGGER, headers=EVENT)
        # It would be delivered again for a day.
        async with patience():
            await relay.close()
        await settled(relay)

    assert (relay.counts.delivered, relay.counts.gave_up) == (0, 0)


async def test_a_push_that_fails_is_pubsubs_to_repeat() -> None:
    """Its function is called once a push, and Pub/Sub hears of the failure: it counts them, and gives up by them."""
    function = Function(answers=[500, 404])
    push = {"subscription": "projects/demo/subscriptions/tick-push", "message": {"data": "e30=", "messageId": "7"}}
    async with relaying(function) as (relay, emulator):
        statuses = [(await emulator.post("/pubsub/tick", json=push)).status_code for _ in range(3)]

    assert statuses == [503, 503, 204]
    assert len(function.received) == 3
    assert (relay.counts.pending, relay.counts.delivered, relay.counts.retried) == (0, 1, 2)
