"""What users earn: each token once, whatever crashes, comes twice or at once."""

import asyncio
from typing import Any

import httpx
import pytest

from nightshift.earning import claims
from nightshift.earning.achievements import achievements
from nightshift.errors import HttpError
from nightshift.runtime import Runtime
from tests.support.promises import assert_audit_is_clean
from tests.support.world import World


@pytest.fixture
def runtime(world: World) -> Runtime:
    """A project in which users earn tokens."""
    world.set_env(NIGHTSHIFT_ECONOMY="true")
    return world.operators_runtime()


async def balance(world: World, uid: str = "alice") -> int:
    """What is in a wallet, which is the sum of its ledger."""
    ledger = await world.documents(f"wallets/{uid}/ledger")
    found: int = (await world.read(f"wallets/{uid}")).get("balance", 0)
    assert found == sum(entry["amount"] for entry in ledger.values())
    return found


async def test_a_first_login_brings_the_welcome_and_the_day(world: World, runtime: Runtime) -> None:
    """52 tokens, in two entries whose ids are their caps; a second login of the day brings nothing."""
    first = await claims.daily_login(runtime, "alice", "Asia/Kolkata")
    second = await claims.daily_login(runtime, "alice", "Pacific/Kiritimati")

    assert (first.tokens, first.welcome_tokens, first.is_new) == (2, 50, True)
    assert (second.welcome_tokens, second.is_new) == (0, False)
    assert await balance(world) == 52
    day = first.economy.calendar.day
    assert (await world.documents("wallets/alice/ledger")).keys() == {"welcome.1", f"login.{day}"}
    assert (await world.read("economy/alice"))["streak"] == {"day": day, "length": 1, "longest": 1}
    await assert_audit_is_clean(world)


async def test_devices_that_claim_at_once_get_a_token_once(world: World, runtime: Runtime) -> None:
    """Eight at once: one of them made the entry, and all say the same."""
    claimed = await asyncio.gather(*(claims.daily_login(runtime, "alice") for _ in range(8)))

    assert [each.tokens for each in claimed] == [2] * 8
    assert await balance(world) == 52


async def test_a_completed_job_brings_ten_points_and_a_failed_one_none(world: World, runtime: Runtime) -> None:
    """The points come in the commit of the end; the entry names the job, and the counters its type."""
    await world.give("alice", 20)
    job_ids = {await world.submit("alice") for _ in range(3)}
    await world.submit("alice", type="nothing_like_it")
    await world.finish()

    economy = await world.read("economy/alice")
    assert (economy["points"], economy["answered"]) == (30, 3)
    assert economy["answeredOf"] == {"waste_classification": 3}
    entries = await world.documents("economy/alice/points")
    assert {entry["jobId"] for entry in entries.values()} == job_ids
    assert {entry["points"] for entry in entries.values()} == {10}
    await assert_audit_is_clean(world)


async def test_nothing_is_earned_unless_it_is_switched_on(world: World) -> None:
    """No document of the economy is written, and a claim is refused."""
    await world.give("alice", 1)
    await world.submit("alice")
    await world.finish()

    assert not await world.documents("economy")
    with pytest.raises(HttpError) as refused:
        await claims.daily_login(world.operators_runtime(), "alice")
    assert refused.value.status == 404


async def test_points_become_tokens_five_times_a_day(world: World, runtime: Runtime) -> None:
    """A hundred each; a sixth conversion, and one without points, are refused and take nothing."""
    await world.firestore.document("economy/alice").set({"points": 750, "answered": 75})

    for number in range(1, 6):
        claimed = await claims.convert(runtime, "alice")
        assert (claimed.tokens, claimed.economy.points) == (1, 750 - 100 * number)
    with pytest.raises(HttpError) as sixth:
        await claims.convert(runtime, "alice")
    assert (sixth.value.status, sixth.value.code) == (409, "daily_limit")
    world.pass_time(days=1)
    await claims.convert(runtime, "alice", tokens=2)
    with pytest.raises(HttpError) as poor:
        await claims.convert(runtime, "alice")

    assert poor.value.code == "not_enough_points"
    assert await balance(world) == 50 + 5 + 2
    assert (await world.read("economy/alice"))["points"] == 50
    taken = [entry["points"] for entry in (await world.documents("economy/alice/points")).values()]
    assert sorted(taken) == [-200, -100, -100, -100, -100, -100]


async def test_a_conversion_is_done_once_under_its_key(world: World, runtime: Runtime) -> None:
    """Also if it is asked for at once by several devices; another key is another conversion."""
    await world.firestore.document("economy/alice").set({"points": 1000, "answered": 100})

    await asyncio.gather(*(claims.convert(runtime, "alice", request_key="one") for _ in range(6)))
    await claims.convert(runtime, "alice", request_key="two")

    assert (await world.read("economy/alice"))["points"] == 800
    assert await balance(world) == 52


async def test_an_achievement_is_given_when_it_is_reached_and_once(world: World, runtime: Runtime) -> None:
    """Too early it says how far it is; an unknown one is not found."""
    achievement = achievements()["ten_answers"]
    await world.firestore.document("economy/alice").set({"points": 0, "answered": 9})
    with pytest.raises(HttpError) as early:
        await claims.claim_achievement(runtime, "alice", "ten_answers")
    await world.firestore.document("economy/alice").update({"answered": 10})
    first = await claims.claim_achievement(runtime, "alice", "ten_answers")
    second = await claims.claim_achievement(runtime, "alice", "ten_answers")
    with pytest.raises(HttpError) as unknown:
        await claims.claim_achievement(runtime, "alice", "first.100")

    assert (early.value.code, unknown.value.status) == ("not_reached", 404)
    assert "9 of 10" in early.value.message
    assert (first.is_new, second.is_new) == (True, False)
    assert await balance(world) == 50 + achievement.tokens


VERIFIED = {"email": "alice@example.com", "email_verified": True}


async def test_a_verified_user_claims_by_the_api(world: World) -> None:
    """Login, conversion by key and achievement; another body under the key's day finds the conversion that was made."""
    world.set_env(NIGHTSHIFT_ECONOMY="true")
    await world.firestore.document("economy/alice").set({"points": 300, "answered": 10})

    async def post(path: str, **request: Any) -> httpx.Response:
        return await world.api("POST", path, claims=VERIFIED, **request)

    login = await post("/me/daily-login", json={"timeZone": "Asia/Kolkata"})
    key = {"Idempotency-Key": "mine"}
    conversions = [await post("/me/conversions", json={"tokens": 2}, headers=key) for _ in range(2)]
    achieved = await post("/me/achievements/ten_answers/claim")
    listed = await world.api("GET", "/me/achievements", claims=VERIFIED)

    assert (login.status_code, login.json()["balance"], login.json()["timeZone"]) == (200, 52, "Asia/Kolkata")
    assert [(each.status_code, each.json()["points"]) for each in conversions] == [(200, 100)] * 2
    assert [each.json()["isNew"] for each in conversions] == [True, False]
    assert achieved.json()["tokens"] == 5
    reached = {each["id"]: each["isReached"] for each in listed.json()["achievements"]}
    assert reached["ten_answers"]
    assert not reached["first_100"]


@pytest.mark.parametrize(
    "claims_of_token",
    [{}, {"email_verified": False}, {"firebase": {"sign_in_provider": "anonymous"}}, {"email_verified": "true"}],
)
async def test_an_unverified_account_earns_nothing(world: World, claims_of_token: dict[str, object]) -> None:
    """An anonymous one neither: 403, and no document is written."""
    world.set_env(NIGHTSHIFT_ECONOMY="true")
    for path in ("/me/daily-login", "/me/conversions"):
        answer = await world.api("POST", path, claims=claims_of_token, json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_verified")
    assert not await world.documents("wallets")
    assert not await world.documents("economy")


async def test_a_zone_that_does_not_exist_is_refused(world: World) -> None:
    """400, and the day is not begun."""
    world.set_env(NIGHTSHIFT_ECONOMY="true")
    answer = await world.api("POST", "/me/daily-login", claims=VERIFIED, json={"timeZone": "../etc/passwd"})
    assert answer.status_code == 400
    assert not await world.documents("economy")
