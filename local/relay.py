"""Eventarc's stand-in: takes events from the emulators, and sees each delivered to its function.

The Firestore emulator calls a trigger once, one event after the other, and forgets it whatever the answer.
Deployed functions see something else: many events at once, at least once each, delivered again until a 2xx comes.
The relay makes that of the former. It answers the emulator as soon as it has the event, and from then on the event
is its own: it tries for 24 hours, as Eventarc does, always under the same CloudEvent id. Events live in memory,
like everything in the emulators, and go when the stack goes. Waiting between two tries holds no slot, so a function
that fails for a while does not delay the events of the others.

A topic's messages stay Pub/Sub's own, here as in production: it delivers them again, and counts how often before it
puts them aside. The relay only makes a CloudEvent of a push, and of the function's answer one that the emulator
understands, which takes 202 and 3xx for failures.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.serve import serving

DELIVER_FOR_SECONDS = 24 * 3600.0
IN_FLIGHT = 64  # events that one function works on at the same time
_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 10.0
# No event-driven function may run longer than ten minutes.
_TIMEOUT = aiohttp.ClientTimeout(total=600.0, sock_connect=10.0)
_PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"


@dataclass(frozen=True)
class Event:
    """One binary-mode CloudEvent on its way to a function."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class RelayCounts:
    """What became of the events so far."""

    pending: int = 0
    delivered: int = 0
    retried: int = 0  # failed tries that were followed by another
    gave_up: int = 0


@dataclass
class Relay:
    """Routes by trigger id and by topic name, each to the URL of one function."""

    project: str
    triggers: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)
    deliver_for_seconds: float = DELIVER_FOR_SECONDS
    counts: RelayCounts = field(default_factory=RelayCounts)

    def __post_init__(self) -> None:
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._pushes: set[asyncio.Task[bool]] = set()
        self._takes_pushes = True
        self._client: aiohttp.ClientSession | None = None
        self.app = Starlette(
            routes=[
                Route(
                    "/functions/projects/{project}/triggers/{trigger}",
                    self._firestore_event,
                    methods=["POST"],
                ),
                Route("/pubsub/{topic}", self._pubsub_push, methods=["POST"]),
                Route("/status", self._status, methods=["GET"]),
            ]
        )

    def accept(self, event: Event) -> None:
        """Take an event over: it will be delivered until its function says 2xx."""
        self.counts.pending += 1
        task = asyncio.create_task(self._deliver(event))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    def drop_pushes(self) -> None:
        """Take no push any more, and wait for no function's answer to one: the messages are Pub/Sub's still."""
        self._takes_pushes = False
        for push in self._pushes:
            push.cancel()

    async def close(self, drain_seconds: float = 0.5) -> None:
        """Give what is on its way a moment to arrive, and drop the rest."""
        try:
            if self._deliveries:
                await asyncio.wait(self._deliveries, timeout=drain_seconds)
        finally:
            for task in self._deliveries:
                task.cancel()
            if self._client:
                await self._client.close()

    async def _firestore_event(self, request: Request) -> Response:
        url = self.triggers.get(request.path_params["trigger"])
        if url is None:
            return Response(status_code=404)
        headers = {
            name: value for name, value in request.headers.items() if name.startswith("ce-") or name == "content-type"
        }
        self.accept(Event(url, headers, await request.body()))
        return Response(status_code=204)

    async def _pubsub_push(self, request: Request) -> Response:
        topic = request.path_params["topic"]
        url = self.topics.get(topic)
        if url is None:
            return Response(status_code=404)
        if not self._takes_pushes:
            return Response(status_code=503)
        self.counts.pending += 1
        push = asyncio.create_task(self._attempt(pubsub_event(url, self.project, topic, await request.json())))
        self._pushes.add(push)
        try:
            is_taken = await push
        except asyncio.CancelledError:
            is_taken = False
        finally:
            self._pushes.discard(push)
            self.counts.pending -= 1
        if is_taken:
            self.counts.delivered += 1
            return Response(status_code=204)
        self.counts.retried += 1
        return Response(status_code=503)

    async def _status(self, _request: Request) -> Response:
        return JSONResponse(asdict(self.counts))

    async def _deliver(self, event: Event) -> None:
        give_up_at = time.monotonic() + self.deliver_for_seconds
        delay_seconds = _FIRST_DELAY_SECONDS
        slots = self._slots.setdefault(event.url, asyncio.Semaphore(IN_FLIGHT))
        try:
            while True:
                async with slots:
                    if await self._attempt(event):
                        self.counts.delivered += 1
                        return
                pause_seconds = random.uniform(delay_seconds / 2, delay_seconds)  # noqa: S311 - jitter, no secret
                if time.monotonic() + pause_seconds > give_up_at:
                    self.counts.gave_up += 1
                    return
                self.counts.retried += 1
                await asyncio.sleep(pause_seconds)
                delay_seconds = min(delay_seconds * 2, _LONGEST_DELAY_SECONDS)
        finally:
            self.counts.pending -= 1

    async def _attempt(self, event: Event) -> bool:
        if self._client is None:
            # The slots are the limit; the client's own would count across functions.
            unlimited = aiohttp.TCPConnector(limit=0)
            self._client = aiohttp.ClientSession(connector=unlimited, timeout=_TIMEOUT)
        try:
            sending = self._client.post(event.url, headers=event.headers, data=event.body, allow_redirects=False)
            async with sending as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return False
        return 200 <= answer.status < 300


def pubsub_event(url: str, project: str, topic: str, push: Mapping[str, object]) -> Event:
    """The CloudEvent that Eventarc makes of a Pub/Sub push.

    https://googleapis.github.io/google-cloudevents/examples/structured/pubsub/MessagePublishedData-complex.json
    """
    pushed = push.get("message")
    message = pushed if isinstance(pushed, dict) else {}
    message_id = str(message.get("messageId", ""))
    published_at = str(message.get("publishTime", ""))
    body = {
        "message": {
            "data": message.get("data", ""),
            "attributes": message.get("attributes") or {},
            "messageId": message_id,
            "publishTime": published_at,
        },
        "subscription": push.get("subscription", ""),
    }
    headers = {
        "ce-specversion": "1.0",
        "ce-id": message_id,
        "ce-type": _PUBLISHED,
        "ce-source": f"//pubsub.googleapis.com/projects/{project}/topics/{topic}",
        "ce-time": published_at,
        "content-type": "application/json",
    }
    return Event(url, headers, json.dumps(body).encode())


@asynccontextmanager
async def running_relay(relay: Relay, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve the relay on a free port of `host`; yields its HOST:PORT."""
    async with AsyncExitStack() as closing:
        closing.push_async_callback(relay.close)
        address = await closing.enter_async_context(serving(relay.app, host))
        # First in the order of closing: a schedule of every minute on a fast clock has always a push on its way.
        closing.callback(relay.drop_pushes)
        yield address
