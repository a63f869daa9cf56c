"""`getBatchStats`: who may ask, what is answered, and that no document is read for it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from local.tokens import unsigned_token
from tests.chaos.calls import Strike, Traffic, seam
from tests.chaos.faults import FAULTS
from tests.support.world import World

DASHBOARD = "https://dashboard.example.com"


async def test_an_admin_gets_the_number_of_jobs_in_each_status(world: World) -> None:
    """Jobs that are not admitted yet count as queued; every state has its number, and the total is theirs."""
    statuses = ["created", "created", "queued", "processing", "completed", "completed", "failed", "cancelled"]
    for status in statuses:
        await world.write("alice", status=status)

    asked_at = world.now()
    answer = await world.stats(admin=True)
    answered_at = world.now()

    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["queued", "processing", "completed", "failed", "cancelled", "total", "timestamp"]
    counts = {"queued": 3, "processing": 1, "completed": 2, "failed": 1, "cancelled": 1, "total": 8}
    assert body.items() >= counts.items()
    assert len(body["timestamp"]) == len("2025-06-19T17:45:22.450Z")
    a_millisecond = timedelta(milliseconds=1)
    assert asked_at - a_millisecond <= datetime.fromisoformat(body["timestamp"]) <= answered_at


async def test_with_no_job_at_all_every_number_is_zero(world: World) -> None:
    """An empty project is no error."""
    body = (await world.stats(admin=True)).json()

    assert {number for name, number in body.items() if name != "timestamp"} == {0}


async def test_bulk_jobs_that_have_not_ended_are_counted_where_there_are_any(world: World) -> None:
    """One that ended is no work that waits; without an open one the name is not there."""
    await world.write_bulk("alice", "ended", status="completed")
    assert "bulkOpen" not in (await world.stats(admin=True)).json()

    for bulk_id, status in (("new", "created"), ("priced", "quoted"), ("under-way", "running")):
        await world.write_bulk("alice", bulk_id, status=status)

    assert (await world.stats(admin=True)).json()["bulkOpen"] == 3


async def test_while_the_database_does_not_count_the_caller_is_asked_to_come_again(world: World) -> None:
    """503 in the one form of errors; the trouble passes by itself."""
    with seam():
        # The first call reads the counters.
        traffic = Traffic(*(Strike(FAULTS["unavailable"], number) for number in range(1, 8)))
        answer = await traffic.invoke(lambda: world.stats(admin=True))

    assert answer
    assert {call.name for call, _ in traffic.struck} == {"firestore.RunAggregationQuery"}
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-project"},
        {"iss": "https://securetoken.google.com/another-project"},
        {"sub": ""},
        {"exp": 1_500_000_000},
        {"exp": "soon"},
        {"exp": [1]},
        {"exp": None},
    ],
)
async def test_a_token_that_is_not_valid_is_refused(world: World, claims: dict[str, Any]) -> None:
    """Another project's token, a nameless one and an expired one are worth nothing, admin or not."""
    answer = await world.stats(admin=True, **claims)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer nonsense", "Basic YWRtaW46", "Bearer W10.W10.", "Bearer e30.e30.x"]
)
async def test_a_caller_without_a_token_is_refused(world: World, header: str) -> None:
    """401 with the error in the one form, and the scheme to use."""
    answer = await world.call("get_batch_stats", "GET", headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.json()["error"].keys() == {"code", "message"}
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("claims", [{}, {"admin": False}, {"admin": "true"}, {"admin": 1}, {"role": "admin"}])
async def test_a_user_who_is_no_admin_is_refused(world: World, claims: dict[str, Any]) -> None:
    """Only the claim `admin: true` opens the door."""
    answer = await world.stats(**claims)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_another_method_is_refused(world: World, method: str) -> None:
    """405 before anything else is looked at, and the method that is allowed."""
    answer = await world.call("get_batch_stats", method)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"


async def test_unsigned_tokens_are_refused_without_the_emulators_variable(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the Auth emulator's variable makes an unsigned token worth anything."""
    monkeypatch.delenv("FIREBASE_AUTH_EMULATOR_HOST")

    assert (await world.stats(admin=True)).status_code == 401


async def test_public_statistics_ask_for_no_token(world: World) -> None:
    """With NIGHTSHIFT_STATS_PUBLIC, as in the first deployment, every caller is answered."""
    world.set_env(NIGHTSHIFT_STATS_PUBLIC="true")

    assert (await world.call("get_batch_stats", "GET")).status_code == 200


async def test_only_the_dashboards_origin_is_allowed(world: World) -> None:
    """The dashboard's browser may ask and may read the errors, too; another site's may not."""
    world.set_env(NIGHTSHIFT_DASHBOARD_ORIGIN=DASHBOARD)
    token = unsigned_token(world.project, "root", admin=True)
    headers = {"Origin": DASHBOARD, "Authorization": f"Bearer {token}"}

    preflight = await world.call("get_batch_stats", "OPTIONS", headers={"Origin": DASHBOARD})
    allowed = await world.call("get_batch_stats", "GET", headers=headers)
    refused = await world.call("get_batch_stats", "GET", headers={"Origin": DASHBOARD})
    stranger = await world.call("get_batch_stats", "GET", headers=headers | {"Origin": "https://evil.example.com"})
    strange_preflight = await world.call("get_batch_stats", "OPTIONS", headers={"Origin": "https://evil.example.com"})

    assert (preflight.status_code, preflight.headers["access-control-allow-headers"]) == (204, "Authorization")
    assert [answer.status_code for answer in (allowed, refused)] == [200, 401]
    assert {answer.headers["access-control-allow-origin"] for answer in (preflight, allowed, refused)} == {DASHBOARD}
    assert "access-control-allow-origin" not in stranger.headers
    assert strange_preflight.status_code == 405


async def test_a_database_that_does_not_answer_is_an_error_in_the_one_form(world: World) -> None:
    """503 without a word of what a library said."""
    world.set_env(FIRESTORE_EMULATOR_HOST="127.0.0.1:9")

    answer = await world.stats(admin=True)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert "127.0.0.1" not in answer.text


async def test_many_jobs_are_counted_by_the_tick_and_asked_for_in_one_read(world: World) -> None:
    """Each answer is then as of the last count, which says when it was; few jobs, or an old count, are counted anew."""
    await world.write("alice", status="completed")
    assert await world.tick() == 200
    kept = await world.read("metrics/counters")
    assert (kept["counts"]["completed"], kept["counts"]["queued"]) == (1, 0)
    await world.write("alice", status="completed")
    assert (await world.stats(admin=True)).json()["completed"] == 2

    many = {**kept["counts"], "completed": 100_000}
    await world.firestore.document("metrics/counters").update({"counts": many})
    with seam():
        # Its clients are built anew, inside the seam.
        world.set_env()
        traffic = Traffic()
        await traffic.invoke(lambda: world.stats(admin=True))
        answer = (await world.stats(admin=True)).json()
        assert [call.name for call in traffic.calls] == ["firestore.BatchGetDocuments"]
    assert (answer["completed"], answer["total"]) == (100_000, 100_000)
    assert datetime.fromisoformat(answer["timestamp"]) <= kept["countedAt"]

    world.pass_time(minutes=30)
    assert await world.tick() == 200
    assert (await world.read("metrics/counters"))["counts"]["completed"] == 2
    old = {"counts": many, "countedAt": world.now() - timedelta(hours=4)}
    await world.firestore.document("metrics/counters").update(old)
    assert (await world.stats(admin=True)).json()["completed"] == 2
