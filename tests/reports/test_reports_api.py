"""What the API tells of the history: the routes read one document a day, and add up."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from nightshift.values.waits import WaitHistogram
from tests.api.test_api_jobs import error_of
from tests.support.world import World

WASTE = {"type": "waste_classification", "provider": "openai", "model": "gpt-5-mini", "mode": "batch"}
RATING = {"type": "photo_rating", "provider": "gemini", "model": "gemini-2.5-flash", "mode": "batch"}


def group(key: Mapping[str, str], completed: int, cost_usd: float, *, failed: int = 0, seconds: float = 60) -> Any:
    """A group of a day's document; in real time it had cost twice as much."""
    waits = WaitHistogram.of(seconds, completed).packed()
    money = {"costUsd": cost_usd, "realtimeCostUsd": 2 * cost_usd}
    return {**key, "completed": completed, "failed": failed, "tokens": completed, "waits": waits, **money}


def day_of(world: World, days_ago: int) -> str:
    """The name of a day's document."""
    return f"{(world.now() - timedelta(days=days_ago)).date()}"


async def write_day(world: World, days_ago: int, *groups: Any, **fields: Any) -> str:
    """Write a day as the tick leaves it; returns its name."""
    day = day_of(world, days_ago)
    content = {"groups": list(groups), "errors": {}, "batches": {}, "moved": 0, "stopped": 0, **fields}
    await world.firestore.document(f"metrics_days/{day}").set(content)
    return day


async def get(world: World, path: str) -> Any:
    """What an admin is answered."""
    answer = await world.api("GET", path, admin=True)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_figures_of_some_days_are_added_up_by_day_and_group(world: World) -> None:
    """Each day of the range, each group over all days, and only what was asked for; other days are left out."""
    await write_day(world, 40, group(WASTE, 1000, 1.0))
    yesterday = await write_day(world, 1, group(WASTE, 30, 0.25, failed=10), group(RATING, 10, 0.5, seconds=600))
    await write_day(world, 0, group(WASTE, 20, 0.25))

    whole = await get(world, "/metrics")
    rated = await get(world, "/batch/metrics?type=photo_rating")
    one_day = await get(world, f"/metrics?since={yesterday}&until={yesterday}")

    assert (len(whole["days"]), whole["until"], whole["since"]) == (30, day_of(world, 0), day_of(world, 29))
    assert [day["completed"] for day in whole["days"][-3:]] == [0, 40, 20]
    total = whole["total"]
    assert (total["completed"], total["failed"], total["tokens"]) == (60, 10, 60)
    assert (total["costUsd"], total["savedUsd"], total["successRate"]) == (1.0, 1.0, 60 / 70)
    assert [(one["type"], one["completed"]) for one in whole["groups"]] == [
        ("waste_classification", 50),
        ("photo_rating", 10),
    ]
    assert 50 <= total["medianWaitSeconds"] <= 72
    assert 500 <= total["p95WaitSeconds"] <= 720
    assert [bar["jobs"] for bar in whole["waits"]] == [50, 10]
    assert (rated["total"]["completed"], len(rated["groups"])) == (10, 1)
    assert (one_day["total"]["completed"], len(one_day["days"])) == (40, 1)
    for wrong in ("since=2026-11-28&until=2026-11-27", "since=1999-01-01", "since=2020-01-01&until=2022-01-01"):
        assert error_of(await world.api("GET", f"/metrics?{wrong}", admin=True)) == (400, "invalid_request")
    assert (await world.api("GET", "/metrics")).status_code == 403


async def test_savings_are_told_by_type_and_provider_with_their_milestones(world: World) -> None:
    """The most saved first; the milestones with their days, the newest first, and the next one."""
    await write_day(world, 1, group(WASTE, 30, 0.25), group(RATING, 10, 0.5))
    state = {"allTime": {"completed": 9, "costUsd": 2100.0, "realtimeCostUsd": 4200.0}}
    await world.firestore.document("metrics/history").set({**state, "milestones": ["2026-01-03", "2026-05-09"]})

    told = await get(world, "/savings")

    assert told["total"] == {"completed": 40, "costUsd": 0.75, "realtimeCostUsd": 1.5, "savedUsd": 0.75}
    assert [(one["type"], one["savedUsd"]) for one in told["byType"]] == [
        ("photo_rating", 0.5),
        ("waste_classification", 0.25),
    ]
    assert [one["provider"] for one in told["byProvider"]] == ["gemini", "openai"]
    assert told["allTime"]["savedUsd"] == 2100
    assert told["milestones"] == [{"usd": 2000, "reachedOn": "2026-05-09"}, {"usd": 1000, "reachedOn": "2026-01-03"}]
    assert told["nextMilestoneUsd"] == 3000
    assert await get(world, "/batch/savings") == told


async def test_trends_compare_each_week_with_the_one_before(world: World) -> None:
    """The last week ends today; a change is left out where there is nothing to compare."""
    await write_day(world, 0, group(WASTE, 90, 0.9, failed=10, seconds=200))
    await write_day(world, 7, group(WASTE, 80, 1.6, failed=20, seconds=100))

    weeks = (await get(world, "/trends?weeks=2"))["weeks"]

    assert [(week["completed"], week["until"]) for week in weeks] == [(80, day_of(world, 7)), (90, day_of(world, 0))]
    assert "successRateChange" not in weeks[0]
    assert round(weeks[1]["successRateChange"], 6) == 0.1
    assert round(weeks[1]["usdPerCompletedJobChange"], 6) == -0.5
    assert 0.6 < weeks[1]["medianWaitChange"] < 1.4


async def test_a_report_is_json_or_markdown(world: World) -> None:
    """A month with its days, its groups, what went wrong and what was done; the same numbers in both forms."""
    errors = {"result_invalid": 7, "batch_expired": 3}
    day = await write_day(world, 1, group(WASTE, 30, 0.25, failed=10), errors=errors, moved=2, batches={"expired": 1})
    await open_alert(world, "backlog.1", opened_at=world.now() - timedelta(days=1))

    told = await get(world, f"/report?period=day&day={day}")
    month = await get(world, f"/batch/report?period=month&day={day}")
    page = await world.api("GET", f"/report?day={day}&format=md", admin=True)

    assert (told["since"], told["until"], told["isFinal"]) == (day, day, False)
    assert told["errors"] == [{"code": "result_invalid", "jobs": 7}, {"code": "batch_expired", "jobs": 3}]
    assert (told["batches"]["expired"], told["done"]["moved"], told["openBatches"]) == (1, 2, 0)
    assert [alert["id"] for alert in told["alerts"]] == ["backlog.1"]
    assert month["total"] == told["total"]
    assert (month["since"][8:], len(month["days"]) >= 28) == ("01", True)
    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    for said in ("# Nightshift, day", "$0.25", "| result\\_invalid | 7 |", "completed: 30, failed: 10", "| open |"):
        assert said in page.text


async def test_an_alert_is_acknowledged_once(world: World) -> None:
    """The first admin stays on record; the acknowledgement closes news, and no trouble; both lists show it."""
    await open_alert(world, "backlog.1", opened_at=world.now() - timedelta(hours=2))
    await open_alert(world, "savings_milestone.1000", kind="savings_milestone", opened_at=world.now())

    seen = await world.api("POST", "/alerts/backlog.1/ack", "eve", admin=True)
    again = await world.api("POST", "/alerts/backlog.1/ack", "frank", admin=True)
    news = (await world.api("POST", "/alerts/savings_milestone.1000/ack", "eve", admin=True)).json()

    assert seen.status_code == 200
    assert (seen.json()["acknowledgedBy"], seen.json()["isOpen"]) == ("eve", True)
    assert again.json() == seen.json()
    assert (news["isOpen"], news["closedAt"]) == (False, news["acknowledgedAt"])
    assert [one["id"] for one in (await get(world, "/alerts"))["alerts"]] == ["savings_milestone.1000", "backlog.1"]
    assert [one["id"] for one in (await get(world, "/batch/alerts?open=true"))["alerts"]] == ["backlog.1"]
    assert error_of(await world.api("POST", "/alerts/none/ack", admin=True)) == (404, "not_found")


async def test_the_dashboard_has_everything_in_one_answer(world: World) -> None:
    """Jobs by status, today, yesterday, 30 days, savings, the last week, and the open alerts."""
    await world.write("alice", "alice-1")
    await write_day(world, 1, group(WASTE, 30, 0.25))
    await write_day(world, 0, group(WASTE, 20, 0.25))
    await open_alert(world, "backlog.1", opened_at=world.now())

    told = await get(world, "/dashboard")

    assert (told["jobs"]["queued"], told["jobs"]["total"]) == (1, 1)
    assert (told["today"]["completed"], told["yesterday"]["completed"]) == (20, 30)
    assert (told["last30Days"]["completed"], told["week"]["completed"], len(told["days"])) == (50, 50, 30)
    assert (told["health"]["status"], told["scheduler"]["isStopped"]) == ("ok", False)
    assert [alert["id"] for alert in told["alerts"]] == ["backlog.1"]
    assert await get(world, "/batch/dashboard") | {"jobs": None} == told | {"jobs": None}


async def open_alert(world: World, alert_id: str, *, opened_at: Any, kind: str = "backlog") -> None:
    """Write an open alert."""
    fields = {"kind": kind, "isOpen": True, "message": "Jobs wait.", "value": 7200.0, "limit": 3600.0}
    await world.firestore.document(f"alerts/{alert_id}").set({**fields, "openedAt": opened_at})
