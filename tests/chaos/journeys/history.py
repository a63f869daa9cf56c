"""What has ended is counted: by folds of all kinds of ends, two of them at once, with an alert and a milestone.

Every journey ends with the sum of all its days, and no number may differ from the documents.
"""

import asyncio

from local.openai_server import Reply, ReplyRule
from tests.chaos.journeys.journey import MOST_QUESTIONS, journey
from tests.chaos.journeys.stage import TICK_MINUTES, Stage


@journey(submissions=MOST_QUESTIONS)
async def history(stage: Stage) -> None:
    """A batch, an answer in real time and a bulk job in real time are counted by two ticks at once, and by a third.

    The batch was late, which is an alert, and its savings are a milestone, which is another. The admin is notified
    of both.
    """
    world = stage.world
    world.set_env(NIGHTSHIFT_ALERT_BATCH_SECONDS="600", NIGHTSHIFT_ALERTS_TO="root")
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="unspeakable"))
    await world.give("alice", 30)
    # The batch saves what is missing to a thousand dollars.
    await world.firestore.document("metrics/history").set({"allTime": {"realtimeCostUsd": 999.99999}})
    world.provider.hold("in_progress")
    await stage.write("alice", "alice-1")
    await stage.write("alice", "alice-2", speed="instant")
    await stage.write_bulk("bulk-1", items=[{"text": "a tin"}, {"text": "unspeakable"}], mode="instant", maxTokens=10)
    world.pass_time(minutes=2 * TICK_MINUTES)
    await stage.tick()
    world.provider.release()
    await stage.finish()
    world.pass_time(minutes=TICK_MINUTES)
    await asyncio.gather(stage.tick(), stage.tick())
    for _ in range(3):
        # Whatever one of them does not come to, the next one does.
        world.pass_time(minutes=TICK_MINUTES)
        await stage.tick()
    alerts = await world.documents("alerts")
    notes = {name for name in await world.documents("notifications") if name.startswith("alert.")}
    assert notes == {f"alert.{name}" for name in alerts}, "one notification of each alert"
    assert sorted(alert["kind"] for alert in alerts.values()) == ["late_batch", "savings_milestone"], "once each"
    assert all(not alert["isOpen"] or alert["kind"] == "savings_milestone" for alert in alerts.values())
