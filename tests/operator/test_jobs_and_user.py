"""`jobs` and `user`: which jobs match, and what there is of one user."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.support.auditing import spend_a_night
from tests.support.operating import operate
from tests.support.world import World


async def _told(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[dict[str, Any]]]:
    """What a command tells programs: a list for each kind."""
    code, output, complaints = await operate(world, capsys, *arguments, "--json")
    assert (code, complaints) == (0, "")
    told: dict[str, list[dict[str, Any]]] = {}
    for line in output.splitlines():
        ((kind, fields),) = json.loads(line).items()
        told.setdefault(kind, []).append(fields)
    return told


async def _some_jobs(world: World) -> None:
    """Two of alice's and one of bob's, an hour apart; the second of alice's failed for want of tokens."""
    await world.give("alice", 1)
    await world.give("bob", 5)
    for number, (uid, speed) in enumerate((("alice", "batch"), ("alice", "batch"), ("bob", "instant"))):
        created_at = world.now() - timedelta(hours=3 - number)
        await world.submit(uid, f"job-{number}", speed=speed, createdAt=created_at)
    await world.finish()


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ((), ["job-2", "job-1", "job-0"]),
        (("--user", "alice"), ["job-1", "job-0"]),
        (("--user", "alice", "--limit", "1"), ["job-1"]),
        (("--limit", "2"), ["job-2", "job-1"]),
        (("--status", "failed"), ["job-1"]),
        (("--user", "alice", "--status", "completed"), ["job-0"]),
        (("--code", "insufficient_tokens"), ["job-1"]),
        (("--type", "photo_rating"), []),
        (("--user", "alice", "--code", "insufficient_tokens"), ["job-1"]),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
async def test_the_jobs_that_match_are_listed_the_newest_first(
    world: World, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], ids: list[str]
) -> None:
    """By any filter alone or several together; what users wrote and got is not read."""
    await _some_jobs(world)

    told = await _told(world, capsys, "jobs", *arguments)

    assert [job["jobId"] for job in told.get("job", [])] == ids
    assert all({"input", "result"}.isdisjoint(job) for job in told.get("job", []))
    assert told["summary"][0]["told"] == len(ids)


async def test_since_is_about_when_a_job_was_created(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """With a user or without."""
    await _some_jobs(world)
    since = (world.now() - timedelta(hours=2, minutes=30)).isoformat()

    assert [job["jobId"] for job in (await _told(world, capsys, "jobs", "--since", since))["job"]] == ["job-2", "job-1"]
    of_alice = await _told(world, capsys, "jobs", "--since", since, "--user", "alice")
    assert [job["jobId"] for job in of_alice["job"]] == ["job-1"]


async def test_it_stops_at_so_many_reads_and_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A project may have a million jobs."""
    await _some_jobs(world)

    told = await _told(world, capsys, "jobs", "--most-reads", "2")
    _, output, _ = await operate(world, capsys, "jobs", "--most-reads", "2")

    assert told["summary"] == [{"lookedAt": 2, "matched": 2, "told": 2, "isCut": True}]
    assert "It stopped after 2 jobs; --most-reads N looks at more." in " ".join(output.split())


async def test_a_user_is_shown_with_wallet_limits_entries_and_jobs(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is used of each limit, too."""
    await _some_jobs(world)

    told = await _told(world, capsys, "user", "alice")

    (wallet,), (limits,) = told["wallet"], told["limits"]
    assert (wallet["userId"], wallet["balance"], wallet["totalSpent"]) == ("alice", 0, 1)
    assert (limits["jobsToday"], limits["jobsInFlight"]) == ("1 of 50,000", "0 of 20,000")
    assert {entry["entryId"]: entry["amount"] for entry in told["ledgerEntry"]}["job-0.charge"] == -1
    assert [job["jobId"] for job in told["job"]] == ["job-1", "job-0"]
    code, output, _ = await operate(world, capsys, "user", "alice")
    assert (code, "insufficient_tokens" in output) == (0, True)
    # A time in a table stays on its line.
    assert re.search(r"job-0\.charge +charge +-1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC *$", output, re.MULTILINE)


async def test_a_user_is_shown_with_earnings_and_messages(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Points, streak and zone; the ways to hear of an end, and the devices by their number, not by their tokens."""
    await _some_jobs(world)
    economy = {
        "points": 30,
        "answered": 3,
        "streak": {"day": "2026-11-28", "length": 2, "longest": 5},
        "timeZone": "Asia/Kolkata",
    }
    await world.firestore.document("economy/alice").set(economy)
    quiet = {"from": "22:00", "to": "07:05", "timeZone": "Europe/Berlin"}
    await world.firestore.document("preferences/alice").set({"email": True, "about": ["bulk"], "quietHours": quiet})
    for number in range(2):
        await world.firestore.document(f"devices/alice/tokens/{number}").set({"token": f"secret-{number}"})

    told = await _told(world, capsys, "user", "alice")
    _, output, _ = await operate(world, capsys, "user", "alice")

    (earnings,), (messages,) = told["earnings"], told["messages"]
    assert earnings == {
        "points": 30,
        "answered": 3,
        "streak": "2 days, the longest 5",
        "lastLogin": "2026-11-28",
        "timeZone": "Asia/Kolkata",
    }
    assert messages == {
        "email": True,
        "push": False,
        "about": "bulk",
        "language": "en",
        "quietHours": "22:00 to 07:05 Europe/Berlin",
        "devices": 2,
    }
    assert "Europe/Berlin" in output
    assert "secret" not in output
    assert max(map(len, output.splitlines())) <= 80


async def test_an_unknown_user_is_named(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1."""
    await _some_jobs(world)

    code, output, complaints = await operate(world, capsys, "user", "carol")

    assert (code, output) == (1, "")
    assert complaints == f"carol has no wallet and no jobs in {world.project}.\n"


async def test_the_last_night_is_in_the_statistics(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """What was done since yesterday and what it cost: for operators, and for an admin by getBatchStats."""
    await spend_a_night(world)
    await world.give("carol", 5)
    await world.submit("carol", speed="instant")
    cost_usd = sum(batch["costUsd"] for batch in await world.batches())
    cost_usd += sum(job["costUsd"] for job in (await world.jobs()).values() if job.get("speed") == "instant")

    (night,) = (await _told(world, capsys, "stats"))["sinceYesterday"]
    asked = (await world.stats({"since": "yesterday"}, admin=True)).json()

    assert asked["sinceYesterday"] == night
    assert (night["completed"], night["failed"], night["instantJobs"]) == (2, 1, 1)
    assert night["costUsd"] == pytest.approx(cost_usd)
    assert "oldestQueuedAt" in asked
    assert "sinceYesterday" not in (await world.stats(admin=True)).json()
    world.pass_time(days=1)
    assert (await _told(world, capsys, "stats"))["sinceYesterday"][0]["completed"] == 2
    world.pass_time(days=1)
    assert (await _told(world, capsys, "stats"))["sinceYesterday"][0]["completed"] == 0
