"""Arbitrary CloudEvents: the trigger's attributes and bodies, and Pub/Sub messages to the tick and the workers.

What is no CloudEvent is refused with 400. Everything else is dealt with: a 5xx would bring the same event again, for a
day.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.contract import assert_ended_well
from tests.fuzz.kind import BYSTANDER, Kind, bystander_is_answered
from tests.fuzz.values import ANY_JSON, HALF_CHARACTERS, TEXTS, deep, mutated, up_to
from tests.support.world import World

_CREATED = "google.cloud.firestore.document.v1.created"
_PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
# Stands for a true batch's id.
_BATCH = "ns-00000000000000000000"


@dataclass(frozen=True)
class Event:
    """An event for one function; attributes and body are sent as they are."""

    target: str
    attributes: dict[str, bytes]
    body: bytes


_VALUES = st.binary(max_size=30).map(lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F).strip())
_DOCUMENTS = st.one_of(
    st.sampled_from(
        [b"ai_jobs/none", b"ai_jobs/", b"ai_jobs", b"", b"wallets/a", b"ai_jobs/a/b/c", b"ai_jobs/..", b"ai_jobs/%2F"]
    ),
    st.just(b"ai_jobs/" + b"x" * 2_000),
    _VALUES,
    _VALUES.map(lambda name: b"ai_jobs/" + name),
)
_IDS = (
    st.sampled_from([_BATCH, "none", "output-0", ".", "a/b", "__x__", "", "x" * 2_000])
    | TEXTS
    | HALF_CHARACTERS
    | ANY_JSON
)
_CALLS = st.one_of(
    st.fixed_dictionaries({"batchId": _IDS}),
    st.fixed_dictionaries({"batchId": _IDS, "shardId": _IDS}),
    st.fixed_dictionaries({"provider": st.just("openai"), "remoteId": _IDS, "eventId": _IDS}),
    ANY_JSON,
)
_DATA = st.one_of(
    _CALLS.map(lambda call: base64.b64encode(json.dumps(call).encode()).decode()),
    st.binary(max_size=30).map(lambda raw: base64.b64encode(raw).decode()),
    st.just(base64.b64encode(deep(50_000).encode()).decode()),
    ANY_JSON,
)
_MESSAGES = _DATA.flatmap(
    lambda data: mutated({"message": {"data": data, "attributes": {"a": "b"}}, "subscription": "s"}, ANY_JSON, most=1)
)


@st.composite
def _events(draw: st.DrawFn) -> Event:
    target = draw(
        st.sampled_from(["on_ai_job_created", "ingest_batch_results", "ingest_batch_results", "process_batch_jobs"])
    )
    kind = _CREATED if target == "on_ai_job_created" else _PUBLISHED
    attributes = {"ce-id": b"1", "ce-source": b"//fuzz", "ce-specversion": b"1.0", "ce-type": kind.encode()}
    attributes |= {"ce-document": draw(_DOCUMENTS), "content-type": b"application/json"}
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        name = draw(st.sampled_from([*attributes, "ce-time", "ce-subject", "ce-dataschema", "ce-x"]))
        attributes[name] = draw(_VALUES)
    body = draw(_MESSAGES.map(lambda message: json.dumps(message).encode()) | st.binary(max_size=30) | st.just(b""))
    return Event(target, attributes, body)


async def _begin(world: World) -> None:
    await world.give(BYSTANDER, 100_000)


async def _play(world: World, events: list[Event]) -> int:
    bystander = await world.submit(BYSTANDER)
    await world.provider.settled()
    batch_id = (await world.job(bystander))["batchId"].encode()
    for event in events:
        body = _with_batch(event.body, batch_id)
        answer = await world.call(event.target, headers=event.attributes, content=body)
        assert answer.status_code in {200, 400}, f"{event} is answered {answer.status_code}"
    await bystander_is_answered(world, bystander)
    await assert_ended_well(world, [bystander])
    return len(events)


def _with_batch(body: bytes, batch_id: bytes) -> bytes:
    """Put the true batch's id in, inside the message's base64, too."""
    try:
        message: Any = json.loads(body)
        call = base64.b64decode(message["message"]["data"])
        message["message"]["data"] = base64.b64encode(call.replace(_BATCH.encode(), batch_id)).decode()
        return json.dumps(message).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return body


KIND = Kind(name="events", examples=up_to(40, _events()), play=_play, share=10, size=20, begin=_begin)
