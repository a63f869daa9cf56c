"""Holding submission back: by the hours of NIGHTSHIFT_SUBMIT_AT, by a stop; and what goes on all the same."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nightshift import settings
from nightshift.errors import InvalidSettings
from nightshift.values.submit_window import SubmitWindow, parse_window
from tests.support.operating import operate
from tests.support.world import World

LANE = "openai:/v1/chat/completions:gpt-5-mini"


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def closed_now(world: World) -> str:
    """A window that is closed for the next ten hours, and was for the last ten."""
    now = world.now().astimezone(ZoneInfo("Asia/Kolkata"))
    return f"{now + timedelta(hours=10):%H:%M}-{now + timedelta(hours=14):%H:%M} Asia/Kolkata"


def test_a_window_is_about_the_clock_of_its_zone() -> None:
    """Its first minute is in it, its end is not; it may go over midnight."""
    night = parse_window("02:00-06:00 Asia/Kolkata")
    over = parse_window("22:30-01:00 UTC")

    assert night == SubmitWindow(opens=time(2), closes=time(6), zone=ZoneInfo("Asia/Kolkata"))
    assert [night.is_open(at(f"2026-11-28T{text}")) for text in ("20:29", "20:30", "00:29", "00:30")] == [
        *(False, True, True, False)
    ]
    assert [over.is_open(at(f"2026-11-28T{text}")) for text in ("22:29", "22:30", "00:59", "01:00")] == [
        *(False, True, True, False)
    ]
    assert night.next_opening(at("2026-11-28T20:30")) == at("2026-11-29T20:30")
    assert night.last_opening(at("2026-11-28T20:30")) == at("2026-11-28T20:30")
    assert night.next_opening(at("2026-11-28T20:29")) == at("2026-11-28T20:30")


@given(
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - they get one
)
@example("Europe/Berlin", time(2, 30), time(2, 45), datetime(2026, 3, 28, 23, tzinfo=UTC))
@example("Europe/Berlin", time(2, 30), time(2, 45), datetime(2026, 10, 24, 23, tzinfo=UTC))
def test_a_window_opens_once_a_day_also_when_the_clocks_change(
    zone: str, opens: time, closes: time, now: datetime
) -> None:
    """What it says of its openings is what it does; but for the nights of a change it is as long as it says."""
    assume(opens != closes)
    window = SubmitWindow(opens=opens, closes=closes, zone=ZoneInfo(zone))
    last, following = window.last_opening(now), window.next_opening(now)
    length = (datetime.combine(now, closes) - datetime.combine(now, opens)) % timedelta(days=1)
    there, before = now.astimezone(window.zone), (now - timedelta(days=2)).astimezone(window.zone)
    moment = timedelta(microseconds=1)

    assert last <= now < following
    assert timedelta(hours=22) <= following - last <= timedelta(hours=26)
    assert window.is_open(last) and window.is_open(following)
    assert window.last_opening(following) == following == window.next_opening(following - moment)
    if window.is_open(now):
        assert now - last <= length + timedelta(hours=1)
    else:
        assert now - last >= length - timedelta(hours=1)
    if there.utcoffset() == before.utcoffset() == (now + timedelta(days=2)).astimezone(window.zone).utcoffset():
        assert window.is_open(now) == (now < last + length)
        assert last.astimezone(window.zone).time() == opens


@pytest.mark.parametrize(
    "text",
    ["02:00-06:00", "2-6 UTC", "02:00-24:30 UTC", "02:00-02:00 UTC", "02:00-06:00 ../x", "02:00-06:00 Mars/Base"],
)
def test_a_malformed_window_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("NIGHTSHIFT_SUBMIT_AT", text)
    with pytest.raises(InvalidSettings, match="NIGHTSHIFT_SUBMIT_AT"):
        settings.load()


async def test_outside_the_window_nothing_is_submitted_and_all_else_goes_on(world: World) -> None:
    """A batch at the provider comes home, a deadline is kept, an instant job is answered; the window opens the rest."""
    await world.give("alice", 20)
    world.provider.hold("in_progress")
    before = await world.submit("alice")
    world.set_env(NIGHTSHIFT_SUBMIT_AT=closed_now(world))
    waiting = await world.submit("alice")
    instant = await world.submit("alice", speed="instant")
    late = await world.submit("alice", deadline=world.now() + timedelta(minutes=30))
    world.provider.release()

    await world.provider.settled()
    assert await world.tick() == 200
    world.pass_time(minutes=29)
    assert await world.sweep() == 200
    assert await world.tick() == 200

    states = {job_id: job["status"] for job_id, job in (await world.jobs()).items()}
    assert states == {before: "completed", instant: "completed", late: "completed", waiting: "queued"}
    health = (await world.api("GET", "/health", admin=True)).json()
    assert (health["queued"], health["oldestQueuedSeconds"]) == (1, 0)
    world.pass_time(hours=10)
    await world.finish()
    assert (await world.job(waiting))["status"] == "completed"


async def test_a_stop_reaches_every_instance_within_a_minute_and_lasts_until_the_start(world: World) -> None:
    """Twice is as good as once; what is open goes on, and a tick after the start takes what waited."""
    await world.give("alice", 5)
    sent = await world.submit("alice")
    for _ in range(2):
        stopped = (await world.api("POST", "/scheduler/stop", "root", admin=True)).json()
    world.pass_time(seconds=61)
    waiting = await world.submit("alice")
    await world.provider.settled()
    assert await world.tick() == 200

    assert stopped.items() >= {"isStopped": True, "changedBy": "root", "heldBy": "stopped"}.items()
    assert (await world.job(sent))["status"] == "completed"
    assert (await world.job(waiting))["status"] == "queued"
    assert (await world.api("GET", "/scheduler", admin=True)).json()["isStopped"]
    started = (await world.api("POST", "/batch/scheduler/start", "root", admin=True)).json()
    assert "heldBy" not in started
    await world.finish()
    assert (await world.job(waiting))["status"] == "completed"


async def test_an_order_sends_one_lane_or_all_while_submission_is_held_back(world: World) -> None:
    """The worker that is called carries it out; of another lane nothing is sent; the same key orders once."""
    world.set_env(NIGHTSHIFT_SUBMIT_AT=closed_now(world))
    await world.open_pubsub()
    await world.give("alice", 5)
    first = await world.submit("alice")

    other = await world.api("POST", "/queue/submit", admin=True, json={"lane": "openai:/v1/chat/completions:other"})
    await world.deliver_calls()
    assert (await world.job(first))["status"] == "queued"
    key = {"Idempotency-Key": "tonight"}
    ordered = [await world.api("POST", "/queue/submit", admin=True, json={"lane": LANE}, headers=key) for _ in range(2)]
    await world.deliver_calls()
    second = await world.submit("alice")
    again = await world.api("POST", "/queue/submit", admin=True, json={"lane": LANE}, headers=key)
    another = await world.api("POST", "/queue/submit", admin=True, json={}, headers=key)
    await world.deliver_calls()

    assert {other.status_code, *(answer.status_code for answer in ordered)} == {202}
    assert len({answer.content for answer in (*ordered, again)}) == 1
    assert another.status_code == 409
    assert [(await world.job(job_id))["status"] for job_id in (first, second)] == ["processing", "queued"]
    # Without a body, under the path of an older service; and where no worker comes, the tick finds the order.
    assert (await world.api("POST", "/batch/process/all", admin=True)).status_code == 202
    assert [order["kind"] for order in (await world.api("GET", "/queue", admin=True)).json()["orders"]] == ["submit"]
    assert await world.tick() == 200
    assert (await world.job(second))["status"] == "processing"
    assert not (await world.api("GET", "/batch/queue/status", admin=True)).json()["orders"]


async def test_no_part_of_a_bulk_job_is_started_while_submission_is_held_back(world: World) -> None:
    """It is read, quoted and charged; an order starts its parts."""
    await world.open_pubsub()
    await world.give("alice", 5)
    await world.api("POST", "/scheduler/stop", "root", admin=True)
    bulk_id = await world.start_bulk(items=[{"text": "a bottle"}], maxTokens=5)
    assert await world.tick() == 200

    assert (await world.bulk(bulk_id))["status"] == "running"
    assert not await world.batches()
    assert (await world.api("POST", "/queue/submit", "root", admin=True, json={})).status_code == 202
    await world.deliver_calls()
    assert [batch["status"] for batch in await world.batches()] == ["submitted"]


async def test_an_operator_has_the_same(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """`scheduler stop`, `submit` past it, `scheduler start`; nothing queued is refused with a sentence."""
    await world.give("alice", 5)
    ran: list[Any] = [await operate(world, capsys, "scheduler", "stop", "--yes")]
    job_id = await world.submit("alice")
    assert (await world.job(job_id))["status"] == "queued"
    ran.append(await operate(world, capsys, "scheduler", "show"))
    ran.append(await operate(world, capsys, "submit", "--lane", LANE, "--yes"))
    assert (await world.job(job_id))["status"] == "processing"
    ran.append(await operate(world, capsys, "scheduler", "start", "--yes"))

    assert [code for code, _, _ in ran] == [0, 0, 0, 0]
    assert "stopped, by operator" in ran[1][1]
    assert "1 jobs sent; 0 are queued now." in ran[2][1]
    assert "Batches are submitted." in ran[3][1]
    code, _, complaint = await operate(world, capsys, "submit", "--yes")
    assert code == 1
    assert "No job is queued" in complaint
