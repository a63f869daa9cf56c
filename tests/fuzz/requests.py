"""Arbitrary requests to the two HTTP functions: methods, headers, tokens with any claims, bodies, signed or not.

An answer is a legal one, an error has the one form, and every answer carries the security headers. Neither function may
answer 5xx here, where everything that they ask is there. Only a method that functions-framework does not route, such as
TRACE, is answered by it and in its own form.
"""

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
from hypothesis import strategies as st

from tests.fuzz.kind import Kind
from tests.fuzz.values import ANY_JSON, ODD_NUMBERS, TEXTS, deep
from tests.support.world import World

_UNROUTED = ("TRACE", "BREW")
_METHODS = st.sampled_from(
    ["GET", "GET", "GET", "POST", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", *_UNROUTED]
)
# What HTTP lets through; h11 refuses the rest before any function sees it.
_HEADER_BYTES = st.binary(max_size=40).map(
    lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F).strip()
)
_HEADER_NAMES = st.sampled_from(
    [
        *(
            "content-type",
            "content-length",
            "origin",
            "host",
            "x-forwarded-for",
            "accept",
            "cookie",
            "transfer-encoding",
        ),
        *("webhook-id", "webhook-timestamp", "webhook-signature", "authorization", "ce-id", "ce-type", "range"),
    ]
)
_HEADERS = st.lists(st.tuples(_HEADER_NAMES, _HEADER_BYTES), max_size=3)
_BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    ANY_JSON.map(lambda fields: json.dumps(fields).encode()),
    st.sampled_from(
        [b"x" * 70_000, deep(30_000).encode(), b'{"type": "batch.completed", "data": ' + deep(20_000).encode() + b"}"]
    ),
)
_CLAIM_NAMES = st.sampled_from(
    ["admin", "sub", "aud", "iss", "exp", "iat", "auth_time", "user_id", "firebase", "uid", "nbf"]
)
_CLAIMS = st.dictionaries(_CLAIM_NAMES | TEXTS, ANY_JSON | ODD_NUMBERS, max_size=4) | st.just({"admin": True})


@dataclass(frozen=True)
class Request:
    """A request; how it is authorized depends on the function: a token's claims, or a signature over the body."""

    method: str
    headers: list[tuple[str, bytes]]
    body: bytes
    proof: Any


def _segment(content: Any) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")


@st.composite
def _tokens(draw: st.DrawFn) -> bytes | dict[str, Any]:
    """A bearer token as it is sent, or the claims to add to those of a valid one."""
    match draw(st.sampled_from(["claims", "claims", "claims", "segments", "garbage"])):
        case "claims":
            return draw(_CLAIMS)
        case "segments":
            header = draw(st.just({"alg": "none", "typ": "JWT"}) | ANY_JSON)
            return b"Bearer " + b".".join(
                [_segment(header), _segment(draw(ANY_JSON | _CLAIMS)), draw(st.just(b"") | st.just(b"x"))]
            )
        case _:
            return draw(
                st.sampled_from([b"Bearer ", b"bearer a.b.c", b"Basic eDp5", b"Bearer ..", b""]) | _HEADER_BYTES
            )


async def _ask_stats(world: World, request: Request) -> int:
    if isinstance(request.proof, dict):
        claims = {
            "iss": f"https://securetoken.google.com/{world.project}",
            "aud": world.project,
            "sub": "root",
            **_times(),
        }
        header = {"alg": "none", "typ": "JWT"}
        token = b"Bearer " + b".".join([_segment(header), _segment(claims | request.proof), b""])
    else:
        token = request.proof
    headers = [("authorization", token), *request.headers]
    answer = await world.call("get_batch_stats", request.method, headers=headers, content=request.body)
    _assert_legal(answer, request.method, {200, 401, 403, 405, 413, 431})
    if answer.status_code == 200:
        assert request.proof == {"admin": True} or request.proof["admin"] is True, "only an admin gets the numbers"
        assert answer.json()["total"] == 0
    return 1


def _times() -> dict[str, int]:
    now = int(time.time())
    return {"iat": now, "auth_time": now, "exp": now + 3600}


async def _send_webhook(world: World, request: Request) -> int:
    event_id, sent_at, is_signed = request.proof
    signed, _ = world.provider.webhook("", event_id=event_id, sent_at=time.time() + sent_at, body=request.body)
    proof = [(name, text.encode()) for name, text in signed.items()] if is_signed else []
    overridden = {name for name, _ in request.headers}
    headers = [*request.headers, *((name, text) for name, text in proof if name not in overridden)]
    await world.open_pubsub()
    answer = await world.call("openai_webhook", request.method, headers=headers, content=request.body)
    _assert_legal(answer, request.method, {200, 400, 401, 405, 413, 415, 431})
    if answer.status_code == 200:
        assert is_signed, "only what is signed is believed"
    return 1


def _assert_legal(answer: httpx.Response, method: str, statuses: set[int]) -> None:
    if method in _UNROUTED:
        assert answer.status_code == 405
        return
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:200]}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    if answer.status_code >= 400 and method != "HEAD":
        error = answer.json()
        assert error.keys() == {"error"}
        assert error["error"].keys() == {"code", "message"}
        assert all(isinstance(text, str) and text for text in error["error"].values())


_EVENTS = st.builds(
    lambda kind, data, more: json.dumps({"object": "event", "id": "evt_1", "type": kind, "data": data} | more).encode(),
    st.sampled_from(["batch.completed", "batch.failed", "response.completed"]) | ANY_JSON,
    st.builds(
        lambda remote_id: {"id": remote_id},
        ANY_JSON | TEXTS | st.sampled_from(["batch_1", "../files", "a?b=c", "x" * 300]),
    )
    | ANY_JSON,
    st.dictionaries(st.sampled_from(["object", "id", "created_at"]), ANY_JSON, max_size=1),
)
_EVENT_IDS = st.sampled_from(["wh_1", "a/b", "..", "__x__", "", "x" * 1_501]) | st.integers(0, 10**9).map(
    "wh_{}".format
)
_SIGNED = st.tuples(
    _EVENT_IDS, st.sampled_from([0, 0, 0, -200, -1_000, 1_000]), st.sampled_from([True, True, True, False])
)

STATS = Kind(
    name="stats-requests",
    examples=st.builds(Request, _METHODS, _HEADERS, st.just(b"") | _BODIES, _tokens()),
    play=_ask_stats,
    share=10,
)
WEBHOOK = Kind(
    name="webhook-requests",
    examples=st.builds(Request, st.just("POST") | _METHODS, _HEADERS, _BODIES | _EVENTS, _SIGNED),
    play=_send_webhook,
    share=10,
)
