"""Bulk jobs, from their source to their result files, and what their users wish of them."""

from local.openai_server import Reply, ReplyRule, RequestFault
from nightshift.api.creating import id_for
from nightshift.bulk import wishes
from tests.chaos.journeys.journey import journey
from tests.chaos.journeys.stage import TICK_MINUTES, Stage
from tests.support.world import World

_CSV = b"name;kind\nAnna;jar\nBo;tin\n;box\nCy;unspeakable\n"
_PHOTOS = (("alice", "jar.png"), ("alice", "tin.png"), ("bob", "tin.png"))


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
    while await _waits(world, "bulk-1"):
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


@journey()
async def bulk_again(stage: Stage) -> None:
    """A table of photos, one of them twice and one another user's; then it comes corrected, without what was answered.

    The file of errors comes, too: it has the row of the other user's photo.
    """
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 9)
    jar, tin, stranger = [await world.upload(*photo) for photo in _PHOTOS]
    table = f"id,imageUri\n1,{jar}\n2,{jar}\n3,{stranger}\n4,{tin}\n".encode()
    keyed = {"keyColumn": "id", "dedupe": True, "maxTokens": 9}
    await stage.write_bulk("bulk-1", source={"uri": await world.upload("alice", "bulk/one.csv", table)}, **keyed)
    await stage.finish()
    errors = await world.result("bulk-1", "errors.csv")
    for name, content in (("two.csv", table), ("errors.csv", errors)):
        corrected = content.replace(stranger.encode(), tin.encode())
        source = {"uri": await world.upload("alice", f"bulk/{name}", corrected)}
        await stage.write_bulk(name.removesuffix(".csv"), source=source, skip={"bulkId": "bulk-1"}, **keyed)
        await stage.finish()
    counts = [(await world.bulk(bulk_id))["counts"] for bulk_id in ("bulk-1", "two", "errors")]
    assert [(each["completed"], each["failed"]) for each in counts] == [(2, 1), (1, 0), (1, 0)]


@journey()
async def bulk_by_api(stage: Stage) -> None:
    """By the API a bulk job is created, confirmed, paused and resumed, another one cancelled; all is asked twice."""
    world = stage.world
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 9)
    world.provider.hold("in_progress", answered=1)
    rows = {"type": "waste_classification", "items": [{"text": text} for text in ("jar", "tin", "box")]}
    for key in ("first", "second"):
        await stage.ask("/bulk-jobs", rows, key, admin=False)
        await stage.trigger_bulk(id_for("alice", "bulk", key))
    first, second = (id_for("alice", "bulk", key) for key in ("first", "second"))

    async def wish(bulk_id: str, wished: str) -> None:
        await stage.ask(f"/bulk-jobs/{bulk_id}/{wished}", {}, f"{bulk_id}.{wished}", admin=False)
        await stage.work_bulk(bulk_id)

    for wished in ("confirm", "pause", "resume"):
        await wish(first, wished)
    for wished in ("confirm", "cancel"):
        await wish(second, wished)
    while await _waits(world, first) or await _waits(world, second):
        # As above.
        world.pass_time(minutes=TICK_MINUTES)
        await stage.tick()
        for wished in ("confirm", "resume"):
            await wish(first, wished)
        await wish(second, "cancel")
    world.provider.release()
    await stage.finish()


async def _waits(world: World, bulk_id: str) -> bool:
    """Whether a bulk job needs a wish of its user to end, or has not been read."""
    return (await world.bulk(bulk_id))["status"] in {"created", "reading", "quoted", "paused"}
