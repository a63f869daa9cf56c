"""Arbitrary batch objects and listings from the provider: whatever it says of a batch or a file, nothing breaks.

A wrapper round the provider's app changes the JSON of its answers. It stands between two real programs and tells both
nothing. When it stops lying and days have passed, every job has ended.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.fuzz.contract import assert_batches_are_legal, assert_ended_well, assert_wallet_agrees
from tests.fuzz.kind import BYSTANDER, Kind, bystander_is_answered
from tests.fuzz.values import ANY_JSON, TEXTS, up_to
from tests.support.world import World

_STATUSES = [
    "validating",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
    "failed",
    "new",
]
_FIELDS = [
    *("id", "status", "output_file_id", "error_file_id", "request_counts", "usage", "metadata", "errors", "created_at"),
    *("endpoint", "object", "model", "completed_at", "input_file_id", "bytes", "filename", "purpose"),
]
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from(_STATUSES),
    "request_counts": st.dictionaries(st.sampled_from(["total", "completed", "failed"]), ANY_JSON, max_size=5),
    "usage": st.dictionaries(st.sampled_from(["input_tokens", "output_tokens", "total_tokens"]), ANY_JSON, max_size=5),
    "metadata": st.dictionaries(st.sampled_from(["nightshift_batch", "nightshift_project"]), ANY_JSON, max_size=2),
    "errors": st.builds(lambda one: {"data": [one]}, st.dictionaries(st.sampled_from(["code", "message"]), ANY_JSON))
    | st.builds(lambda some: {"data": some}, ANY_JSON),
    "created_at": st.sampled_from([0, -1, 2**40, 2**70, 1e300, "0", None]),
    "bytes": st.sampled_from([0, -1, 1, 2**40, "5", None]),
}
_LEFT_OUT = "<left out>"


@dataclass(frozen=True)
class Lie:
    """What is said of an object in place of the truth, field by field; or `instead` of all of it."""

    fields: dict[str, Any]
    instead: list[Any]


@st.composite
def _lies(draw: st.DrawFn) -> Lie:
    instead = [draw(ANY_JSON)] if draw(st.integers(0, 7)) == 0 else []
    names = draw(st.lists(st.sampled_from(_FIELDS) | TEXTS, min_size=1, max_size=5, unique=True))
    return Lie({name: draw(st.just(_LEFT_OUT) | ANY_JSON | LIKELY.get(name, ANY_JSON)) for name in names}, instead)


class Liar:
    """An app whose answers are changed while it has lies to tell: each object gets the next one, by its number."""

    def __init__(self, app: ASGIApp) -> None:
        self.lies: list[Lie] = []
        self.told = 0
        self._app = app
        self._numbers: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; an answer in JSON is changed on its way back."""
        if not self.lies or scope["type"] != "http" or "/content" in scope["path"]:
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def change(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            changed = self._changed(body) if start["status"] == 200 else body
            headers = [(name, text) for name, text in start["headers"] if name.lower() != b"content-length"]
            length = (b"content-length", str(len(changed)).encode())
            await send({**start, "headers": [*headers, length]})
            await send({"type": "http.response.body", "body": changed})

        await self._app(scope, receive, change)

    def _changed(self, body: bytes) -> bytes:
        said = json.loads(body)
        if said.get("object") == "list":
            said["data"] = [self._lie_about(one) for one in said["data"]]
        else:
            said = self._lie_about(said)
        return json.dumps(said).encode()

    def _lie_about(self, truth: dict[str, Any]) -> Any:
        number = self._numbers.setdefault(truth["id"], len(self._numbers))
        lie = self.lies[number % len(self.lies)]
        self.told += 1
        if lie.instead:
            return lie.instead[0]
        told = {**truth, **lie.fields}
        return {name: field for name, field in told.items() if field != _LEFT_OUT}


def _prepare(world: World) -> None:
    world.provider.app = Liar(world.provider.app)


async def _begin(world: World) -> None:
    await world.give(BYSTANDER, 100_000)
    await world.give("alice", 1_000_000)


async def _play(world: World, lies: list[Lie]) -> int:
    liar: Any = world.provider.app
    liar.lies = lies
    try:
        # Each is a batch of its own. One at a time: a trigger leaves its job to the holder of the lane's lease.
        jobs = [await world.submit("alice") for _ in lies]
        for _ in range(2):
            await world.provider.settled()
            assert await world.tick() == 200, "a tick gets to its end"
    finally:
        liar.lies = []
    bystander = await world.submit(BYSTANDER)
    await bystander_is_answered(world, bystander)
    for _ in range(12):
        if not await world.jobs("created", "queued", "processing") and not await world.open_batches():
            break
        world.pass_time(hours=30)
        await world.provider.settled()
        assert await world.tick() == 200
    await assert_ended_well(world, [bystander, *jobs])
    await asyncio.gather(assert_batches_are_legal(world), assert_wallet_agrees(world, "alice"))
    await _clear(world)
    return len(lies)


async def _clear(world: World) -> None:
    writes = world.firestore.batch()
    for collection in ("ai_batches", "ai_jobs", "notifications", "classifications", "lanes"):
        for document_id in await world.documents(collection):
            writes.delete(world.firestore.collection(collection).document(document_id))
    await writes.commit()


KIND = Kind(
    name="batch-objects",
    examples=up_to(10, _lies()),
    play=_play,
    share=5,
    size=5,
    begin=_begin,
    prepare=_prepare,
)
