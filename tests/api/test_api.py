"""What all routes of the API have in common: who may call, how often, how much, and the one form of errors."""

import json

import httpx
import pytest

from nightshift.api import serve
from nightshift.api.route import ApiRoute
from nightshift.api.routes import ROUTES
from tests.api.test_api_jobs import error_of
from tests.support.world import World

DASHBOARD = "https://dashboard.example.com"


def sample(path: str) -> str:
    """A path with an id in its place."""
    return path.replace("{id}", "some-id").replace("{uid}", "alice").replace("{key}", "some-key")


async def ask(world: World, row: ApiRoute, uid: str | None, *, admin: bool = False) -> httpx.Response:
    """Call a route without what it needs."""
    return await world.api(row.method, sample(row.path), uid, admin=admin)


async def test_each_route_asks_for_a_token_and_the_admins_ones_for_the_claim(world: World) -> None:
    """401 without one, 403 without the claim; the public routes are named here."""
    for row in ROUTES:
        stranger, user = await ask(world, row, None), await ask(world, row, "alice")
        if row.who == "public":
            assert row.path in {"/health", "/unsubscribe/{uid}/{key}"}
            continue
        assert error_of(stranger) == (401, "unauthenticated"), row.name
        assert stranger.headers["www-authenticate"] == "Bearer"
        is_forbidden = user.status_code == 403 and error_of(user)[1] == "permission_denied"
        assert is_forbidden == (row.who == "admin"), row.name


async def test_an_unknown_path_and_another_method_have_the_one_form(world: World) -> None:
    """404, and 405 with the methods that there are; a path that only looks like a route is not found."""
    for path in ("/nothing", "/jobs/", "/jobs//cancel", "/jobs/a%2Fb/cancel/x"):
        assert error_of(await world.api("GET", path)) == (404, "not_found")
    assert error_of(await world.call("api", "GET", "/jobs")) == (404, "not_found")
    other = await world.api("DELETE", "/jobs")
    assert error_of(other) == (405, "method_not_allowed")
    assert set(other.headers["allow"].split(", ")) == {"GET", "POST"}
    head = await world.api("HEAD", "/health")
    assert head.status_code == 405


async def test_a_body_or_a_query_that_no_route_takes_is_refused(world: World) -> None:
    """Too large, of another type, or where none belongs; `{}` stands for none."""
    await world.give("alice", 1)
    assert error_of(await world.api("POST", "/jobs", content=b"x" * 140_000)) == (413, "too_large")
    assert error_of(await world.api("POST", "/jobs", data={"type": "x"})) == (415, "unsupported_media_type")
    assert error_of(await world.api("POST", "/jobs/x/cancel", json={"a": 1})) == (400, "invalid_request")
    assert error_of(await world.api("POST", "/jobs/x/cancel", json={})) == (404, "not_found")
    assert error_of(await world.api("GET", "/me?x=1")) == (400, "invalid_request")
    assert error_of(await world.api("POST", "/jobs", headers={"Idempotency-Key": " "}, json={})) == (
        400,
        "invalid_request",
    )


async def test_a_user_who_asks_too_often_waits_and_others_do_not(world: World) -> None:
    """429 says for how long; then there is room again; 0 = no limit."""
    world.set_env(NIGHTSHIFT_API_REQUESTS_PER_MINUTE="2")
    answers = [await world.api("GET", "/me") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert error_of(answers[2]) == (429, "too_many_requests")
    wait_seconds = int(answers[2].headers["retry-after"])
    assert 1 <= wait_seconds <= 30
    assert (await world.api("GET", "/me", "bob")).status_code == 200
    world.pass_time(seconds=wait_seconds)
    assert (await world.api("GET", "/me")).status_code == 200
    world.set_env(NIGHTSHIFT_API_REQUESTS_PER_MINUTE="0")
    assert {(await world.api("GET", "/me")).status_code for _ in range(5)} == {200}


async def test_the_dashboards_browser_may_ask_and_no_other(world: World) -> None:
    """Its preflight names the methods and headers, and its answers show the headers that a client needs."""
    world.set_env(NIGHTSHIFT_DASHBOARD_ORIGIN=DASHBOARD)
    preflight = await world.call("api", "OPTIONS", "/v1/jobs", headers={"Origin": DASHBOARD})
    answer = await world.api("GET", "/me", headers={"Origin": DASHBOARD})
    stranger = await world.api("GET", "/me", headers={"Origin": "https://evil.example.com"})
    strange = await world.call("api", "OPTIONS", "/v1/jobs", headers={"Origin": "https://evil.example.com"})

    assert preflight.status_code == 204
    assert set(preflight.headers["access-control-allow-methods"].split(", ")) == {"GET", "POST"}
    assert "Idempotency-Key" in preflight.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == DASHBOARD
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert not [name for name in stranger.headers if name.startswith("access-control-")]
    assert strange.status_code == 405


async def test_a_request_is_found_in_the_log_by_its_id(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has one event with route, status and code, and neither path nor user in it."""
    refused = await world.api("GET", "/jobs/of-a-certain-name")

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told = next(event for event in events if event["message"] == "api_request")
    assert told["request_id"] == refused.json()["error"]["requestId"]
    assert (told["route"], told["status"], told["code"]) == ("GET /jobs/{id}", 404, "not_found")
    assert "of-a-certain-name" not in json.dumps(events)


async def test_a_database_that_does_not_answer_is_503_and_a_bug_500(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither says what a library said; the first asks the caller to come again."""

    async def buggy(*_: object) -> None:
        raise KeyError("sk-of-the-provider")

    with monkeypatch.context() as broken:
        broken.setattr(serve, "require_app", buggy)
        bug = await world.api("GET", "/me")
    world.set_env(FIRESTORE_EMULATOR_HOST="127.0.0.1:9")
    unavailable = await world.api("GET", "/me")

    assert error_of(bug) == (500, "internal")
    assert error_of(unavailable) == (503, "unavailable")
    assert unavailable.headers["retry-after"]
    assert "sk-of-the-provider" not in capsys.readouterr().out + bug.text + unavailable.text


async def test_health_is_public_and_an_admin_sees_the_last_tick(world: World) -> None:
    """A user sees no more than a stranger; a wrong token is refused."""
    before = await world.api("GET", "/health", admin=True)
    await world.give("alice", 1)
    await world.submit("alice")
    assert await world.tick() == 200
    world.pass_time(minutes=5)

    stranger, user = await world.api("GET", "/health", None), await world.api("GET", "/health")
    admin = (await world.api("GET", "/batch/health", admin=True)).json()

    assert [answer.json() for answer in (before, stranger, user)] == [{"status": "ok"}] * 3
    assert 300 <= admin["tickAgeSeconds"] <= 600
    assert admin.items() >= {"status": "ok", "dutiesFailed": 0, "queued": 0, "openBatches": 1}.items()
    assert (await world.api("GET", "/health", None, headers={"Authorization": "Bearer x"})).status_code == 401


async def test_an_account_shows_wallet_and_preferences_and_keeps_what_is_put(world: World) -> None:
    """A new user has neither; devices are at most 20, and one that is put again adds none."""
    fresh = (await world.api("GET", "/me")).json()
    await world.give("alice", 7)
    hours = {"from": "22:00", "to": "07:00", "timeZone": "Europe/Lisbon"}
    await world.firestore.document("preferences/alice").set({"push": True, "quietHours": hours})
    put = await world.api("PUT", "/me/preferences", json={"email": True, "language": "pt-BR"})
    mine = (await world.api("GET", "/me")).json()
    devices = [await world.api("PUT", f"/me/devices/phone-{n}", json={"token": "t"}) for n in range(20)]
    again = await world.api("PUT", "/me/devices/phone-3", json={"token": "new", "platform": "ios"})
    one_more = await world.api("PUT", "/me/devices/phone-20", json={"token": "t"})
    gone = [await world.api("DELETE", "/me/devices/phone-3") for _ in range(2)]

    assert "wallet" not in fresh
    assert put.json() == mine["preferences"] == {"email": True, "push": False, "language": "pt-BR"}
    assert (await world.read("preferences/alice"))["quietHours"] == hours, "the app's own field stays"
    assert mine["wallet"] == {"balance": 7, "totalEarned": 7, "totalSpent": 0}
    assert {answer.status_code for answer in (*devices, again)} == {200}
    assert error_of(one_more) == (409, "too_many_devices")
    assert [answer.status_code for answer in gone] == [204, 204]
    assert len(await world.documents("devices/alice/tokens")) == 19
    assert error_of(await world.api("PUT", "/me/preferences", json={"language": "<b>"})) == (400, "invalid_request")
