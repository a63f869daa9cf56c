"""A report adds up with the documents to the cent: with batches, jobs, parts, the ledger and the bill."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from cli.__main__ import COMMANDS
from cli.commands import running
from local.openai_server import Reply, ReplyRule
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def ran(world: World, line: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What a command tells programs."""
    capsys.readouterr()
    options = running.parsed(COMMANDS, [*line.split(), "--json"])
    assert await running.run(world.operators_runtime(), options) == 0
    return [json.loads(told) for told in capsys.readouterr().out.splitlines() if told.startswith("{")]


def cents(amounts: Iterable[float]) -> float:
    """A sum of dollars, to a thousandth of a cent."""
    return round(sum(amounts), 5)


async def test_a_report_of_a_random_month_adds_up_with_the_documents(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nights of batches, answers in real time, bulk jobs, failures, cancellations, retries, in an order of chance."""
    seed = random.randrange(2**32)  # noqa: S311 - no secret
    chance = random.Random(seed)  # noqa: S311 - no secret
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="2", NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_PART_ITEMS="2")
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), text="never", times=None))
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), text="later", times=chance.randint(1, 6)))
    for uid in ("alice", "bob"):
        await world.give(uid, 1_000)
    began = world.now()
    # From the beginning of a month, so that all of it lies in one.
    world.pass_time(days=(32 - began.day), hours=-began.hour)
    day = f"{world.now().date()}"
    for _ in range(6):
        for _ in range(chance.randint(1, 5)):
            uid, text = chance.choice(["alice", "bob"]), chance.choice(["a tin", "a jar", "never", "later"])
            match chance.randint(0, 3):
                case 0:
                    await world.submit(uid, speed="instant", input={"text": text})
                case 1:
                    items = [{"text": text}, {"text": "a cup"}, {"text": "a lid"}]
                    await world.start_bulk(uid, items=items, mode=chance.choice(["batch", "instant"]), maxTokens=99)
                case 2:
                    waiting = await world.submit(uid, input={"text": text})
                    await world.api("POST", f"/jobs/{waiting}/cancel", uid)
                case _:
                    await world.submit(uid, input={"text": text})
        if chance.randint(0, 1):
            # The tick carries it out.
            await world.api("POST", "/jobs/retry", "root", admin=True, json={"code": "result_invalid"})
        for _ in range(4):
            await world.provider.settled()
            assert await world.tick() == 200
            world.pass_time(minutes=10)
        world.pass_time(hours=chance.randint(1, 60))
    await world.finish()
    world.pass_time(minutes=10)
    assert await world.tick() == 200

    told = (await world.api("GET", f"/report?period=month&day={day}", admin=True)).json()
    (printed,) = [line["report"] for line in await ran(world, f"report month --day {day}", capsys) if "report" in line]
    (bill,) = [line["bill"] for line in await ran(world, f"bill --month {day[:7]}", capsys) if "bill" in line]
    batches, jobs, bulks = await world.batches(), await world.jobs(), await world.documents("bulk_jobs")
    parts = [part for bulk_id in bulks for part in await world.parts(bulk_id)]
    in_real_time = [job for job in jobs.values() if "budgetDay" in job]
    cost = cents(batch["costUsd"] for batch in batches) + cents(job["costUsd"] for job in in_real_time)
    cost = round(cost + cents(part.get("costUsd", 0.0) for part in parts), 5)
    ledger = [entry for uid in ("alice", "bob") for entry in (await world.documents(f"wallets/{uid}/ledger")).values()]
    paid = -sum(entry["amount"] for entry in ledger if entry["kind"] != "grant")
    completed = sum(job["status"] == "completed" for job in jobs.values()) + sum(
        bulk["counts"]["completed"] for bulk in bulks.values()
    )
    total = told["total"]

    assert abs(total["costUsd"] - cost) < 5e-5, seed
    assert abs(total["savedUsd"] - bill["savedUsd"]) < 1e-9, seed
    assert abs(total["costUsd"] - bill["totalCostUsd"]) < 1e-9, seed
    in_batches = sum(one["costUsd"] for one in told["groups"] if one["mode"] == "batch")
    assert abs(in_batches - bill["costUsd"]) < 1e-9, seed
    assert (total["tokens"], total["completed"]) == (paid, completed), seed
    assert sum(one["completed"] for one in told["groups"]) == sum(one["completed"] for one in told["days"]) == completed
    assert sum(one["jobs"] for one in told["errors"]) == total["failed"], seed
    assert printed == {**told, "foldedUntil": printed["foldedUntil"]}
    assert told["openBatches"] == 0
    await assert_promises_kept(world)


async def test_a_report_is_final_once_its_period_is_over_and_counted(world: World) -> None:
    """Before, it says so; an open batch of the period is named, and in no sum."""
    await world.give("alice", 2)
    world.provider.hold("in_progress")
    await world.submit("alice")
    day = f"{world.now().date()}"
    world.pass_time(days=1, hours=1)
    assert await world.tick() == 200
    open_still = (await world.api("GET", f"/report?day={day}", admin=True)).json()
    world.provider.release()
    await world.finish()
    world.pass_time(minutes=10)
    assert await world.tick() == 200
    closed = (await world.api("GET", f"/report?day={day}", admin=True)).json()

    assert (open_still["isFinal"], open_still["openBatches"], open_still["total"]["completed"]) == (False, 1, 0)
    assert (closed["isFinal"], closed["openBatches"], closed["total"]["completed"]) == (True, 0, 1)
