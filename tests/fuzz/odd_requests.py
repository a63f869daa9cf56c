"""Requests to the API that no client of docs/openapi.yaml would make: how they are spelt, not what they ask for.

Other methods, paths that only resemble a route's, parameters given twice, ids and keys of any length and alphabet, and
bodies in another encoding, compressed, broken off, too deep or too large. Each is answered as the page says, or 404 or
405; none is a 5xx, and every error has the one form.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
from hypothesis import strategies as st

from local.openapi import document
from nightshift.api.route import BASE, ApiRoute
from nightshift.api.routes import ROUTES
from tests.fuzz.api import CALLERS, Who, authorization, delete_many_jobs, furnish, is_routed
from tests.fuzz.kind import Kind
from tests.fuzz.values import ANY_JSON, HALF_CHARACTERS, TEXTS, deep, mutated
from tests.support.world import World

_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
# As they stand in a path, quoted.
_IDS: Final = st.sampled_from(
    [
        *("done-1", "failed-1", "live-1", "sent-1", "alert-1", "k-" + "0" * 40),
        *("x" * 1_500, "x" * 1_501, "x" * 8_000, "%2E%2E", "a%2Fb", "%00", "%0A", "%0D", "%7F", "%20"),
        *("%C3%A9", "e%CC%81", "%F0%9F%97%91", "%E2%80%AE", "%FF", "%ED%A0%80", "__x__", "{id}", "*", "1e9", "-1"),
    ]
) | TEXTS.map(lambda text: quote(text, safe="") or "x")
_TEXTS: Final = TEXTS | st.sampled_from(["0", "-1", "1e3", "true", "2026-02-30", "9999-12-31", "x" * 4_000])
_CONTENT_TYPES: Final = st.sampled_from(
    [
        *("application/json", "application/json; charset=utf-16", "text/plain", "application/x-www-form-urlencoded"),
        *("multipart/form-data; boundary=x", "application/vnd.api+json", "json", "*/*", ""),
    ]
)
_ODD_HEADERS: Final = st.sampled_from(
    [
        *(("Range", "bytes=0-1"), ("Expect", "100-continue"), ("Accept", "text/html;q=0, image/*"), ("Upgrade", "h2c")),
        *(("If-None-Match", "*"), ("If-None-Match", 'W/"x", "y'), ("X-HTTP-Method-Override", "DELETE")),
        *(("Idempotency-Key", "k"), ("Idempotency-Key", ""), ("Idempotency-Key", "x" * 201)),
        *(("Content-Encoding", "gzip"), ("Origin", "null"), ("Accept-Encoding", "gzip"), ("X-Request-Id", "mine")),
        *(("Idempotency-Key", "é"), ("X-Forwarded-For", "x" * 9_000), ("Cookie", "__session=x")),
    ]
)
# Of these requests with ordinary paths a route may still answer 404 or 405.
_OUTSIDE_THE_PAGE: Final = {404, 405}


@dataclass(frozen=True)
class OddRequest:
    """A request as it is sent, and the route that it set out from."""

    route: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    who: Who


@cache
def _documented() -> dict[str, set[int]]:
    """The statuses that the page names of each route."""
    paths = document()["paths"]
    return {
        row.name: {int(status) for status in paths[f"{BASE}{row.path}"][row.method.lower()]["responses"]}
        for row in ROUTES
    }


@st.composite
def _odd_requests(draw: st.DrawFn) -> OddRequest:
    row = draw(st.sampled_from(ROUTES))
    names = [*(row.query.model_fields if row.query else ()), "x"]
    return OddRequest(
        route=row.name,
        method=draw(st.sampled_from([row.method, row.method, row.method, *_METHODS])),
        path=draw(_paths(draw(st.sampled_from([row.path, *row.aliases])))),
        query=tuple(draw(st.lists(st.tuples(st.sampled_from(names), _TEXTS), max_size=2))),
        headers=(("Content-Type", draw(_CONTENT_TYPES)), *draw(st.lists(_ODD_HEADERS, max_size=3))),
        body=draw(_bodies(row)),
        who=draw(CALLERS),
    )


@st.composite
def _paths(draw: st.DrawFn, path: str) -> str:
    words = [draw(_IDS) if word.startswith("{") else word for word in path.split("/")]
    twist = draw(st.sampled_from(["none", "none", "slash", "double", "upper", "dot", "matrix", "base"]))
    whole = "/".join(words)
    return {
        "none": f"{BASE}{whole}",
        "slash": f"{BASE}{whole}/",
        "double": f"{BASE}{whole.replace('/', '//')}",
        "upper": f"{BASE}{whole.upper()}",
        "dot": f"{BASE}/.{whole}",
        "matrix": f"{BASE}{whole};v=1",
        "base": whole,
    }[twist]


@st.composite
def _bodies(draw: st.DrawFn, row: ApiRoute) -> bytes:
    example = row.body.model_json_schema()["examples"][0] if row.body else {}
    content = draw(mutated(example, ANY_JSON | HALF_CHARACTERS))
    text = json.dumps(content)
    body: bytes = draw(
        st.sampled_from(
            [
                *(b"", text.encode(), text.encode(), text.encode("utf-16"), text.encode("utf-8-sig")),
                *(gzip.compress(text.encode(), mtime=0), text.encode()[:-1], b"\xff" + text.encode()),
                *((text[:-1] + ', "type": "x"}').encode(), b'{"input": ' + deep(20_000).encode() + b"}"),
                *(b"null", b"[]", b'"x"', b"NaN", b"{" * 50, b'{"x": "' + b"y" * 3_000_000 + b'"}'),
            ]
        )
    )
    return body


async def _play(world: World, request: OddRequest) -> int:
    headers = [*((name, text.encode()) for name, text in request.headers), *_encoded(authorization(world, request.who))]
    target = f"{request.path}?{urlencode(request.query)}" if request.query else request.path
    answer = await world.call("api", request.method, target, headers=headers, content=request.body)
    if not is_routed(request.path):
        assert answer.status_code == 404
        return 1
    documented = _documented()
    is_own = request.route.startswith(f"{request.method} ")
    known = (documented[request.route] if is_own else set().union(*documented.values())) | _OUTSIDE_THE_PAGE
    assert answer.status_code in known, f"{answer.status_code}: {answer.text[:300]}"
    assert answer.status_code < 500, answer.text[:300]
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400 and request.method != "HEAD":
        _assert_one_form(answer)
    await delete_many_jobs(world)
    return 1


def _encoded(headers: dict[str, str]) -> list[tuple[str, bytes]]:
    return [(name, text.encode()) for name, text in headers.items()]


def _assert_one_form(answer: httpx.Response) -> None:
    error: dict[str, Any] = answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"
    assert error["requestId"] == answer.headers["x-request-id"] != "mine"
    assert error.keys() - {"details"} == {"code", "message", "requestId"}


KIND = Kind(
    name="odd-api-requests",
    examples=st.deferred(_odd_requests),
    play=_play,
    share=20,
    begin=furnish,
)
