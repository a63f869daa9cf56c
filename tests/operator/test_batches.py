"""`batches` and `stats`: what is under way, what waits, and what it costs."""

import json
from typing import Any

import pytest

from local.openai_server import BatchFault
from tests.support.auditing import spend_a_night
from tests.support.operating import operate
from tests.support.world import World

LANE = "openai:/v1/chat/completions:gpt-5-mini"


async def _told(world: World, capsys: pytest.CaptureFixture[str], *arguments: str, **changes: Any) -> dict[str, Any]:
    """What a command tells programs: a list for each kind."""
    code, output, complaints = await operate(world, capsys, *arguments, "--json", **changes)
    assert (code, complaints) == (0, "")
    told: dict[str, Any] = {}
    for line in output.splitlines():
        ((kind, fields),) = json.loads(line).items()
        told.setdefault(kind, []).append(fields)
    return told


async def _three_open_batches(world: World) -> None:
    """Three batches at the provider, a minute apart, and three queued jobs."""
    world.provider.hold("in_progress")
    await world.give("alice", 9)
    for number in range(3):
        await world.submit("alice", f"sent-{number}")
        world.pass_time(minutes=1)
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600")
    for number in range(3):
        await world.submit("alice", f"queued-{number}", priority=1 + 4 * number)


async def test_open_batches_are_listed_the_oldest_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its ids, status, lane, jobs and age; closed ones are left out."""
    await spend_a_night(world)
    await _three_open_batches(world)

    told = await _told(world, capsys, "batches")

    expected = [(batch["id"], batch["remoteId"]) for batch in await world.open_batches()]
    assert [(batch["batchId"], batch["remoteId"]) for batch in told["batch"]] == expected
    assert {(batch["status"], batch["lane"], batch["jobs"]) for batch in told["batch"]} == {("submitted", LANE, 1)}
    assert all(batch["age"] > 60 for batch in told["batch"])
    assert told["summary"] == [{"openBatches": 3, "told": 3}]

    code, output, _ = await operate(world, capsys, "batches")
    assert code == 0
    assert all(remote_id in output for _, remote_id in expected)
    assert "3 batches are open." in output


async def test_no_more_than_the_limit_are_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The oldest of the open ones; and how many there are besides."""
    await _three_open_batches(world)

    told = await _told(world, capsys, "batches", "--limit", "2")
    _, output, _ = await operate(world, capsys, "batches", "--limit", "2")

    oldest = [batch["id"] for batch in await world.open_batches()][:2]
    assert [batch["batchId"] for batch in told["batch"]] == oldest
    assert told["summary"] == [{"openBatches": 3, "told": 2}]
    assert "3 batches are open; these are the oldest 2. --limit N shows more." in " ".join(output.split())


async def test_with_all_the_newest_are_listed_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Closed ones with their counts and cost."""
    await spend_a_night(world)

    told = await _told(world, capsys, "batches", "--all")

    batches = await world.batches()
    assert [batch["batchId"] for batch in told["batch"]] == [batch["id"] for batch in reversed(batches)]
    assert sum(batch["counts"]["completed"] for batch in told["batch"]) == 2
    assert [batch["costUsd"] for batch in told["batch"]] == [batch["costUsd"] for batch in reversed(batches)]


async def test_a_leased_batch_says_for_how_long(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """While a lease lives, and no longer."""
    world.provider.hold("in_progress")
    await world.give("alice", 1)
    await world.submit("alice")
    path = f"ai_batches/{(await world.batches())[0]['id']}"
    lease = {"owner": "another", "expiresAt": world.now().replace(year=2100), "writes": 3}
    await world.firestore.document(path).update({"lease": lease})

    assert (await _told(world, capsys, "batches"))["batch"][0]["heldUntil"].startswith("2100-")
    assert "held for" in (await operate(world, capsys, "batches"))[1]
    await world.firestore.document(path).update({"lease.expiresAt": world.now()})
    assert (await _told(world, capsys, "batches"))["batch"][0]["heldUntil"] is None


@pytest.mark.parametrize("command", ["batches", "stats"])
async def test_lanes_tell_how_many_wait_and_since_when(
    world: World, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Jobs of three priorities: the oldest is the oldest of all of them."""
    await _three_open_batches(world)

    (lane,) = (await _told(world, capsys, command))["lane"]

    oldest = min(job["queuedAt"] for job in (await world.jobs("queued")).values())
    assert (lane["lane"], lane["jobs"]) == (LANE, 3)
    assert lane["oldestQueuedAt"] == oldest.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert lane["backsOffUntil"] is None


async def test_a_lane_that_backs_off_says_for_how_long(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The provider's queue was full a moment ago."""
    world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded"))
    await world.give("alice", 1)
    await world.submit("alice")
    await world.provider.settled()
    assert await world.tick() == 200

    code, output, _ = await operate(world, capsys, "batches")

    assert code == 0
    assert "backs off for" in " ".join(output.split())


async def test_nothing_under_way_is_said_in_words(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is open and nothing waits."""
    await world.give("alice", 1)
    code, output, complaints = await operate(world, capsys, "batches")

    assert (code, complaints) == (0, "")
    assert output.splitlines()[-2:] == ["No batch is open.", "No job is queued."]
    assert (await _told(world, capsys, "batches", "--all"))["summary"] == [{"openBatches": 0, "told": 0}]


async def test_stats_are_those_of_the_function(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The same counts as getBatchStats gives, and what waits, is open and was spent, by batch and at once."""
    await spend_a_night(world)
    await world.give("bob", 5)
    instant = await world.job(await world.submit("bob", speed="instant"))
    await _three_open_batches(world)
    await world.write("alice", "created")

    told = await _told(world, capsys, "stats", daily_budget_usd=1.0)

    answered = (await world.stats(admin=True)).json()
    (jobs,) = told["jobs"]
    assert {name: count for name, count in jobs.items() if name in answered} == {
        name: count for name, count in answered.items() if name != "timestamp"
    }
    assert (jobs["queued"], jobs["notAdmittedYet"]) == (4, 1)
    assert told["batches"] == [{"open": 3}]
    (today,) = told["today"]
    spent = instant["costUsd"] + sum(batch["budgetUsd"] for batch in await world.batches())
    assert instant["costUsd"] > 0
    assert today["spentUsd"] == pytest.approx(spent)
    assert today["leftUsd"] == pytest.approx(1 - spent)

    code, output, _ = await operate(world, capsys, "stats")
    assert code == 0
    assert "US$" in output
    assert "Budget" not in output, "none is set"


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1001"])
async def test_a_wrong_limit_is_named(world: World, capsys: pytest.CaptureFixture[str], limit: str) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as exited:
        await operate(world, capsys, "batches", "--limit", limit)

    assert exited.value.code == 2
    assert "--limit" in capsys.readouterr().err
