"""Bulk jobs, from their source to their result files, and what their users wish of them."""

from local.openai_server import Reply, ReplyRule, RequestFault
from nightshift.bulk import wishes
from tests.chaos.journeys.journey import journey
from tests.chaos.journeys.stage import TICK_MINUTES, Stage

_CSV = b"name;kind\nAnna;jar\nBo;tin\n;box\nCy;unspeakable\n"


@journey()
async def bulk(stage: Stage) -> None:
    """A file of four rows in two parts; one row is declined, one batch is asked again, and all is exported."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 9)
    world.provider.faults.add(
        ReplyRule(Reply.refuses("no"), text="unspeakable"),
        ReplyRule(Reply.http_error(503), text="jar"),
    )
    source = {"uri": await world.upload("alice", "bulk/list.csv", _CSV)}
    await stage.write_bulk("bulk-1", source=source, template={"text": "{{kind}} of {{name}}"}, maxTokens=9)
    await stage.tick()
    await stage.work_bulk("bulk-1")
    await stage.finish()


@journey()
async def bulk_instant(stage: Stage) -> None:
    """Three rows in two parts, answered in real time; the provider wants to be left alone once."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 20)
    world.provider.faults.add(
        ReplyRule(Reply.refuses("no"), text="unspeakable"),
        RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "30"}, times=1),
    )
    items = [{"text": text} for text in ("jar", "tin", "unspeakable")]
    await stage.write_bulk("bulk-1", items=items, mode="instant", maxTokens=15)
    world.pass_time(minutes=3)
    # As in `instant_retry`.
    world.set_env()
    await stage.work_bulk("bulk-1", 1)
    await stage.work_bulk("bulk-1", 2)
    await stage.finish()


@journey()
async def bulk_cancel(stage: Stage) -> None:
    """Three rows in two parts; the provider has answered one when the user cancels."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 5)
    world.provider.hold("in_progress", answered=1)
    items = [{"text": text} for text in ("jar", "tin", "box")]
    await stage.write_bulk("bulk-1", items=items, maxTokens=5)
    await world.provider.settled()
    await stage.wish(wishes.cancel, "bulk-1")
    await stage.work_bulk("bulk-1")
    world.provider.release()
    await stage.finish()


@journey(answers=2)
async def bulk_retry(stage: Stage) -> None:
    """Two rows, of which one is declined; the user has it quoted and run again, and confirms the price."""
    world = stage.world
    await world.give("alice", 5)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="tin"))
    items = [{"text": text} for text in ("jar", "tin")]
    await stage.write_bulk("bulk-1", items=items, maxTokens=5)
    await stage.finish()
    await stage.wish(wishes.retry, "bulk-1")
    await stage.work_bulk("bulk-1")
    await stage.tick()
    await stage.wish(wishes.confirm, "bulk-1")
    await stage.work_bulk("bulk-1")
    if (await world.bulk("bulk-1"))["status"] == "quoted":
        world.pass_time(minutes=TICK_MINUTES)
        await stage.tick()
        await stage.wish(wishes.confirm, "bulk-1")
    await stage.finish()


@journey()
async def bulk_pause(stage: Stage) -> None:
    """Four rows in two parts that are quoted, confirmed, paused and resumed."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 5)
    items = [{"text": text} for text in ("jar", "tin", "box", "can")]
    await stage.write_bulk("bulk-1", items=items)
    for wish in (wishes.confirm, wishes.pause, wishes.resume):
        await stage.wish(wish, "bulk-1")
        await stage.work_bulk("bulk-1")
    for _ in range(2):
        # Whatever died before is over: what was wished in vain is wished again.
        world.pass_time(minutes=TICK_MINUTES)
        await stage.tick()
        await stage.wish(wishes.confirm, "bulk-1")
        await stage.wish(wishes.resume, "bulk-1")
    await stage.finish()


@journey()
async def bulk_move(stage: Stage) -> None:
    """Three rows in two parts; an operator moves the first part's batch, of which one row is answered."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2", NIGHTSHIFT_FALLBACK_MODEL="gpt-5-nano")
    await world.give("alice", 5)
    world.provider.hold("in_progress", answered=1)
    items = [{"text": text} for text in ("jar", "tin", "box")]
    await stage.write_bulk("bulk-1", items=items, maxTokens=5)
    await world.provider.settled()
    for batch in (await world.batches())[:1]:
        await stage.operate("move", "batch", batch["id"])
    world.provider.release()
    await stage.finish()
