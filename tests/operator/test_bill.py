"""`bill`: a month's batches and instant answers, summed."""

import json
from typing import Any

import pytest

from local.openai_server import Reply, ReplyRule
from tests.support.auditing import spend_a_night
from tests.support.operating import operate
from tests.support.world import World

LANE = "openai:/v1/chat/completions:gpt-5-mini"


async def _bill(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    code, output, complaints = await operate(world, capsys, "bill", *arguments, "--json")
    assert (code, complaints) == (0, "")
    project, *told = [json.loads(line) for line in output.splitlines()]
    assert project["project"]["projectId"] == world.project
    return told


async def _add(world: World, batch_id: str, **changes: Any) -> None:
    """A batch as the journey left one, of another day, lane or price."""
    (like, *_) = [batch for batch in await world.batches() if batch["counts"]["completed"]]
    del like["id"]
    await world.firestore.document(f"ai_batches/{batch_id}").set(like | changes)


async def test_what_a_night_cost_is_what_its_batches_cost(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The batch price is half of realtime's, and both are the sums of the documents."""
    await spend_a_night(world)

    told = await _bill(world, capsys)

    batches = await world.batches()
    cost_usd = sum(batch["costUsd"] for batch in batches)
    sums = {
        "batches": 4,
        "openBatches": 0,
        "unpricedBatches": 0,
        "jobs": {"completed": 2, "failed": 1},
        "costUsd": pytest.approx(cost_usd),
        "realtimeCostUsd": pytest.approx(2 * cost_usd),
        "savedUsd": pytest.approx(cost_usd),
    }
    day = batches[0]["budgetDay"]
    assert told == [
        {
            "bill": {
                "month": day[:7],
                **sums,
                "perCompletedJobUsd": pytest.approx(cost_usd / 2),
                "instantJobs": 0,
                "unpricedInstantJobs": 0,
                "instantCostUsd": 0.0,
                "instantBulkUsd": 0.0,
                "totalCostUsd": pytest.approx(cost_usd),
            }
        },
        {"day": {"day": day, **sums}},
        {"lane": {"lane": LANE, **sums}},
    ]
    assert cost_usd > 0

    code, output, _ = await operate(world, capsys, "bill")
    assert code == 0
    assert "2 completed" in output
    assert "make bill" in output


async def test_a_month_has_its_days_and_lanes_and_no_other(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The last day of a month is in it, and the first of the next is not."""
    await spend_a_night(world)
    await _add(world, "may", budgetDay="2026-05-31", costUsd=1.5, realtimeCostUsd=3.0)
    await _add(world, "june-1", budgetDay="2026-06-01", costUsd=2.0, realtimeCostUsd=4.0)
    await _add(world, "june-2", budgetDay="2026-06-30", costUsd=0.25, realtimeCostUsd=0.5, lane="openai:/v1/x:y")

    bill, *parts = await _bill(world, capsys, "--month", "2026-06")

    assert (bill["bill"]["costUsd"], bill["bill"]["savedUsd"], bill["bill"]["perCompletedJobUsd"]) == (
        2.25,
        2.25,
        1.125,
    )
    costs = [(next(iter(part.values())), part) for part in parts]
    assert {part.get("day") or part["lane"]: part["costUsd"] for part, _ in costs} == {
        "2026-06-01": 2.0,
        "2026-06-30": 0.25,
        LANE: 2.0,
        "openai:/v1/x:y": 0.25,
    }


async def test_instant_answers_are_listed_by_the_day_and_are_in_the_total(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was declined was paid all the same; days of other months are not in it."""
    await spend_a_night(world)
    await _add(world, "june", budgetDay="2026-06-05", costUsd=2.0, realtimeCostUsd=4.0)
    world.provider.faults.add(ReplyRule(Reply.refuses("no")))
    await world.give("carol", 20)
    declined, *answered = [await world.submit("carol", speed="instant") for _ in range(4)]
    costs = {job_id: (await world.job(job_id))["costUsd"] for job_id in (declined, *answered)}
    assert [(await world.job(job_id))["status"] for job_id in (declined, answered[0])] == ["failed", "completed"]
    for job_id, day in zip(costs, ("2026-06-05", "2026-06-05", "2026-06-30"), strict=False):
        await world.firestore.document(f"ai_jobs/{job_id}").update({"budgetDay": day})

    bill, *parts = await _bill(world, capsys, "--month", "2026-06")

    first, second, third, todays = costs.values()
    june, no_bulk = bill["bill"], {"bulkUsd": 0.0}
    assert (june["batches"], june["costUsd"], june["instantJobs"]) == (1, 2.0, 3)
    assert june["instantCostUsd"] == pytest.approx(first + second + third)
    assert june["totalCostUsd"] == pytest.approx(2.0 + first + second + third)
    assert [part["instant"] for part in parts if "instant" in part] == [
        {"day": "2026-06-05", "jobs": 2, "unpricedJobs": 0, "costUsd": pytest.approx(first + second), **no_bulk},
        {"day": "2026-06-30", "jobs": 1, "unpricedJobs": 0, "costUsd": pytest.approx(third), **no_bulk},
    ]
    (now, *_) = await _bill(world, capsys)
    assert (now["bill"]["instantJobs"], now["bill"]["instantCostUsd"]) == (1, pytest.approx(todays))
    assert todays > 0
    _, output, _ = await operate(world, capsys, "bill")
    assert "Instant jobs" in output


async def test_what_has_no_price_is_counted_apart(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """An open batch, and one of a model that is not listed: neither makes an answer look cheap."""
    await spend_a_night(world)
    await _add(world, "priced", budgetDay="2026-06-01", costUsd=2.0, realtimeCostUsd=4.0)
    await _add(world, "unlisted", budgetDay="2026-06-01", costUsd=None, realtimeCostUsd=None)
    await _add(world, "open", budgetDay="2026-06-01", status="submitted")

    (bill, *_) = await _bill(world, capsys, "--month", "2026-06")

    told = bill["bill"]
    assert (told["batches"], told["openBatches"], told["unpricedBatches"]) == (3, 1, 1)
    assert (told["costUsd"], told["jobs"]["completed"], told["perCompletedJobUsd"]) == (2.0, 2, 2.0)
    _, output, _ = await operate(world, capsys, "bill", "--month", "2026-06")
    words = " ".join(output.split())
    assert "Not in it: 1 batch still open, 1 batch of a model without a listed price." in words


async def test_a_month_without_batches_costs_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """No day, no lane, and no division by zero."""
    await world.give("alice", 1)
    (bill,) = await _bill(world, capsys, "--month", "2020-02")

    assert (bill["bill"]["batches"], bill["bill"]["costUsd"], bill["bill"]["perCompletedJobUsd"]) == (0, 0.0, None)


@pytest.mark.parametrize("month", ["2026-13", "2026", "november", "2026-11-01"])
async def test_an_impossible_month_is_refused(world: World, capsys: pytest.CaptureFixture[str], month: str) -> None:
    """Exit code 2."""
    with pytest.raises(SystemExit) as exited:
        await operate(world, capsys, "bill", "--month", month)

    assert exited.value.code == 2
    assert "--month" in capsys.readouterr().err


async def test_instant_answers_without_a_price_are_counted_and_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is known of their cost; the bill says how many they are, and for which day."""
    world.set_env(NIGHTSHIFT_MODEL="a-model-of-our-own")
    await world.give("carol", 10)
    for _ in range(2):
        await world.submit("carol", speed="instant")

    bill, *parts = await _bill(world, capsys)
    _, output, _ = await operate(world, capsys, "bill")

    assert (bill["bill"]["instantJobs"], bill["bill"]["unpricedInstantJobs"]) == (2, 2)
    assert bill["bill"]["instantCostUsd"] == 0
    assert [part["instant"]["unpricedJobs"] for part in parts if "instant" in part] == [2]
    assert "Not in it: 2 instant jobs of a model without a listed price." in " ".join(output.split())
