"""What the two HTTP functions have in common: headers on every answer, CORS, and what a caller may send."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from nightshift import settings
from nightshift.api.responses import respond
from nightshift.api.webhook import take_event
from nightshift.errors import InvalidSettings
from nightshift.runtime import Runtime
from tests.support.world import World

DASHBOARD = "https://dashboard.example.com"
SECURITY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
}


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of an error in the one form."""
    error = answer.json()["error"]
    assert error.keys() == {"code", "message"}
    return answer.status_code, error["code"]


async def chunks(*bodies: bytes) -> AsyncIterator[bytes]:
    """A body that announces no length."""
    for body in bodies:
        yield body


async def test_every_answer_carries_the_security_headers(world: World) -> None:
    """Good news, bad news and no news; from both functions."""
    world.set_env(NIGHTSHIFT_DASHBOARD_ORIGIN=DASHBOARD)
    huge = {"X-Padding": "x" * 17_000}
    answers = [
        await world.stats(admin=True),
        await world.stats(),
        await world.call("get_batch_stats", "GET"),
        await world.call("get_batch_stats", "GET", headers=huge),
        await world.call("get_batch_stats", "GET", content=b"x"),
        await world.call("get_batch_stats", "DELETE"),
        await world.call("get_batch_stats", "OPTIONS", headers={"Origin": DASHBOARD}),
        await world.webhook("batch_unknown"),
        await world.webhook("batch_any", body=b"nonsense"),
        await world.call("openai_webhook"),
        await world.call("openai_webhook", "GET"),
        await world.call("openai_webhook", headers=huge),
    ]
    world.set_env(FIRESTORE_EMULATOR_HOST="127.0.0.1:9")
    answers.append(await world.stats(admin=True))

    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 403, 401, 431, 413, 405, 204, 200, 400, 401, 405, 431, 503]
    for answer in answers:
        assert SECURITY.items() <= dict(answer.headers).items()
        assert not {"server", "x-powered-by"} & answer.headers.keys()
        assert answer.status_code == 204 or answer.headers["content-type"] == "application/json"


async def test_a_bug_is_answered_and_logged_without_its_text(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """500 in the one form, with the same headers; the log names the kind of error and nothing that it holds."""

    async def buggy(_: Runtime, __: Request) -> Response:
        raise KeyError("sk-of-the-provider")

    request = Request({"type": "http", "method": "GET", "headers": []})
    answer = await respond(world.operators_runtime(), request, buggy, method="GET")

    assert answer.status_code == 500
    assert json.loads(bytes(answer.body)) == {"error": {"code": "internal", "message": "Something went wrong here."}}
    assert SECURITY.items() <= dict(answer.headers).items()
    logged = capsys.readouterr().out
    assert "KeyError" in logged
    assert "sk-of-the-provider" not in logged


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "*",
        "",
        "http://dashboard.example.com",
        "https://dashboard.example.com:8443",
        "https://dashboard.example.com/",
        "https://dashboard.example.com.",
        "https://DASHBOARD.example.com",
        "https://dashboard.example.com.evil.example",
        "https://evil-dashboard.example.com",
        "https://sub.dashboard.example.com",
        "https://dashboard.example.com, https://evil.example",
    ],
)
async def test_another_origin_is_not_allowed(world: World, origin: str) -> None:
    """The origin is compared as a whole; nothing that looks like it, begins or ends like it, will do."""
    world.set_env(NIGHTSHIFT_DASHBOARD_ORIGIN=DASHBOARD, NIGHTSHIFT_STATS_PUBLIC="true")

    for method in ("GET", "OPTIONS"):
        answer = await world.call("get_batch_stats", method, headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["vary"] == "Origin"
    assert answer.status_code == 405


async def test_the_one_origin_is_allowed_without_cookies(world: World) -> None:
    """It is named, never `*`, credentials stay out, and a cache keeps the answers of two origins apart."""
    world.set_env(NIGHTSHIFT_DASHBOARD_ORIGIN=DASHBOARD, NIGHTSHIFT_STATS_PUBLIC="true")
    asks = {"Origin": DASHBOARD, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-other"}

    preflight = await world.call("get_batch_stats", "OPTIONS", headers=asks)
    answer = await world.call("get_batch_stats", "GET", headers={"Origin": DASHBOARD})

    assert {name: text for name, text in preflight.headers.items() if name.startswith("access-control-")} == {
        "access-control-allow-origin": DASHBOARD,
        "access-control-allow-methods": "GET",
        "access-control-allow-headers": "Authorization",
    }
    assert [name for name in answer.headers if name.startswith("access-control-")] == ["access-control-allow-origin"]
    assert answer.headers["access-control-allow-origin"] == DASHBOARD
    assert {preflight.headers["vary"], answer.headers["vary"]} == {"Origin"}


async def test_without_a_dashboard_no_origin_is_allowed(world: World) -> None:
    """The default: no browser's page may ask."""
    world.set_env(NIGHTSHIFT_STATS_PUBLIC="true")

    for origin in ("null", "*", DASHBOARD):
        for method, status in (("GET", 200), ("OPTIONS", 405)):
            answer = await world.call("get_batch_stats", method, headers={"Origin": origin})
            assert answer.status_code == status
            assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.example.com",
        "dashboard.example.com",
        "https://dashboard.example.com/",
        "https://user@dashboard.example.com",
        "https://DASHBOARD.example.com",
        "https://one.example.com,https://two.example.com",
        "https://one.example.com https://two.example.com",
        "file://",
    ],
)
async def test_a_dashboard_that_is_no_origin_stops_the_start(world: World, origin: str) -> None:
    """A setting that would open the door wide, or never match what a browser sends."""
    world.set_env(NIGHTSHIFT_DASHBOARD_ORIGIN=origin)

    with pytest.raises(InvalidSettings, match="NIGHTSHIFT_DASHBOARD_ORIGIN"):
        settings.load()


@pytest.mark.parametrize(
    "origin", ["https://dashboard.example.com", "http://localhost:5173", "https://a-b.example:8443"]
)
async def test_a_dashboard_may_have_a_port(world: World, origin: str) -> None:
    """As browsers send it."""
    world.set_env(NIGHTSHIFT_DASHBOARD_ORIGIN=origin)

    assert settings.load().dashboard_origin == origin


@pytest.mark.parametrize(
    "body", [{"content": b"x"}, {"json": {}}, {"content": chunks(b"", b"x")}], ids=["bytes", "json", "stream"]
)
async def test_a_question_with_a_body_is_refused_before_the_caller_is_looked_at(
    world: World, body: dict[str, Any]
) -> None:
    """413: nothing reads it, so no client has a reason to send it."""
    assert error_of(await world.call("get_batch_stats", "GET", **body)) == (413, "too_large")


async def test_an_empty_body_is_accepted(world: World) -> None:
    """Some clients announce the length 0, or a stream that ends at once."""
    world.set_env(NIGHTSHIFT_STATS_PUBLIC="true")

    assert (await world.call("get_batch_stats", "GET", headers={"Content-Length": "0"})).status_code == 200
    assert (await world.call("get_batch_stats", "GET", content=chunks())).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json", None],
)
async def test_an_event_is_json_by_any_of_its_names(world: World, content_type: str | None) -> None:
    """Or has none: the signature covers the bytes."""
    await world.open_pubsub()
    headers, body = world.provider.webhook("batch_unknown")
    del headers["content-type"]

    named = headers | ({"content-type": content_type} if content_type else {})

    assert (await world.call("openai_webhook", headers=named, content=body)).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "x"]
)
async def test_what_calls_itself_no_json_is_refused(world: World, content_type: str) -> None:
    """What a web page can make a browser send, signed or not."""
    headers, body = world.provider.webhook("batch_unknown")

    answer = await world.call("openai_webhook", headers=headers | {"content-type": content_type}, content=body)

    assert error_of(answer) == (415, "unsupported_media_type")


async def test_a_caller_who_goes_away_halfway_is_no_bug(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """400, which reaches no client; and no error in the log, since any client can do that."""
    pieces = iter(
        [{"type": "http.request", "body": b'{"type":', "more_body": True}, {"type": "http.disconnect"}],
    )

    async def receive() -> Any:
        return next(pieces)

    signed, _ = world.provider.webhook("batch_any")
    headers = [(name.encode(), text.encode()) for name, text in signed.items()]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    answer = await respond(world.operators_runtime(), request, take_event, method="POST")

    assert answer.status_code == 400
    assert "request_failed" not in capsys.readouterr().out
