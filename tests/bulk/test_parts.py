"""The parts of a bulk job beside each other, in trouble, and in another lane."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.groq_server import GroqServer
from local.openai_server import BatchFault, Reply, ReplyRule, RequestFault
from tests.bulk.test_batch_mode import rows, run_to_the_end
from tests.support.fallback import fallback
from tests.support.messages import telling
from tests.support.operating import operate
from tests.support.promises import assert_promises_kept
from tests.support.world import World

_NO_MODEL = {"error": {"code": "model_not_found", "message": "There is no such model.", "type": "invalid_request"}}
_OTHER = "groq:/v1/chat/completions:openai/gpt-oss-20b"


@pytest.fixture
async def groq(world: World) -> AsyncIterator[GroqServer]:
    """A second provider, to which parts are moved."""
    async with fallback(world) as server:
        yield server


async def _spend_a_night(world: World, bulk_id: str, *others: Any) -> dict[str, Any]:
    """Ticks ten minutes apart, until the bulk job has ended."""
    for _ in range(40):
        await world.provider.settled()
        for server in others:
            await server.settled()
        assert await world.tick() == 200
        bulk = await world.bulk(bulk_id)
        if bulk["status"] in {"completed", "failed", "cancelled"}:
            return bulk
        world.pass_time(minutes=10)
    raise AssertionError(f"still {bulk['status']}: {bulk['counts']}")


async def test_so_many_parts_are_under_way_at_a_time(world: World) -> None:
    """Of five parts two, by the setting; the others wait until one of them is closed."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="1", NIGHTSHIFT_MAX_PARTS_IN_FLIGHT="2")
    await world.give("alice", 20)
    world.provider.hold("in_progress")
    bulk_id = await world.start_bulk(items=rows(5), maxTokens=5)
    assert await world.tick() == 200
    assert [part["status"] for part in await world.parts(bulk_id)] == ["running"] * 2 + ["waiting"] * 3
    world.provider.release()
    assert (await run_to_the_end(world, bulk_id))["counts"]["completed"] == 5
    await assert_promises_kept(world)


async def test_what_the_providers_queue_has_no_room_for_is_asked_in_smaller_ranges(world: World) -> None:
    """A part of four: the queue refuses it, then takes two, then the other two. No attempt is spent on that."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    await world.give("alice", 20)
    world.provider.faults.add(BatchFault(fail_code="token_limit_exceeded", times=1))
    bulk_id = await world.start_bulk(items=rows(4), maxTokens=4)
    assert (await _spend_a_night(world, bulk_id))["counts"]["completed"] == 4
    assert [batch["jobCount"] for batch in await world.batches()][:2] == [4, 2]
    assert sum(batch["counts"]["completed"] for batch in await world.batches()) == 4
    await assert_promises_kept(world)


async def test_an_outage_of_the_provider_spends_no_attempt_however_often_a_part_comes_back(world: World) -> None:
    """Its items came back twelve times; the lane answers nothing: they wait. Once it does, they fail as any would."""
    world.set_env(NIGHTSHIFT_MAX_ATTEMPTS="1")
    await world.give("alice", 20)
    world.provider.hold("in_progress")
    bulk_id = await world.start_bulk(items=rows(2), maxTokens=2)
    part = world.firestore.document(f"bulk_jobs/{bulk_id}/parts/1")
    often = {"tries": bytes([0, 12, 0, 12]), "sparedSince": world.now()}
    await part.update(often)
    world.provider.faults.add(ReplyRule(Reply.http_error(503), text="kind", times=2))
    world.pass_time(minutes=10)
    world.provider.release()
    await world.provider.settled()
    assert await world.tick() == 200
    assert (await world.bulk(bulk_id))["counts"]["open"] == 2, "an outage is waited out"
    assert (await _spend_a_night(world, bulk_id))["counts"]["completed"] == 2
    assert "sparedSince" not in (await world.parts(bulk_id))[0]

    world.provider.hold("in_progress")
    poison = await world.start_bulk(items=rows(2), maxTokens=2)
    part = world.firestore.document(f"bulk_jobs/{poison}/parts/1")
    # The bulk job above was answered after that.
    long_ago = (await world.batches())[0]["createdAt"]
    await part.update({**often, "sparedSince": long_ago})
    world.provider.faults.add(ReplyRule(Reply.http_error(503), text="kind", times=2))
    world.provider.release()
    ended = await _spend_a_night(world, poison)
    assert (ended["counts"]["failed"], ended["firstErrors"][0]["code"]) == (2, "provider_rejected")
    await assert_promises_kept(world)


async def test_a_parts_batch_is_moved_by_hand_and_its_user_pays_once(
    world: World, groq: GroqServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of three rows is answered when the operator moves the batch; the other two are answered elsewhere."""
    await world.give("alice", 20)
    world.provider.hold("in_progress", answered=1)
    bulk_id = await world.start_bulk(items=rows(3), maxTokens=3)
    (batch,) = await world.batches()
    _, told, _ = await operate(world, capsys, "batches", "--json")
    (listed,) = (line["batch"] for line in map(json.loads, told.splitlines()) if "batch" in line)
    assert listed["source"] == {"bulkId": bulk_id, "part": 1, "round": 1}
    code, _, _ = await operate(world, capsys, "move", "batch", batch["id"], "--yes")
    assert code == 0
    world.provider.release()
    assert (await _spend_a_night(world, bulk_id, groq))["counts"]["completed"] == 3
    assert [batch["lane"] for batch in await world.batches()][1:] == [_OTHER]
    assert (await world.read("wallets/alice"))["balance"] == 17
    await assert_promises_kept(world)


async def test_parts_of_a_broken_lane_are_asked_in_the_fallback_lane(world: World, groq: GroqServer) -> None:
    """The model is gone: the part that met that, and the one that waits, go to the other provider."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="2", NIGHTSHIFT_MAX_PARTS_IN_FLIGHT="1")
    await world.give("alice", 20)
    world.provider.faults.add(*(RequestFault("POST", "/v1/batches", status=404, body=_NO_MODEL) for _ in range(9)))
    bulk_id = await world.start_bulk(items=rows(4), maxTokens=4)
    ended = await _spend_a_night(world, bulk_id, groq)
    assert ended["counts"]["completed"] == 4
    assert [part["lane"] for part in await world.parts(bulk_id)] == [_OTHER, _OTHER]
    assert (await world.read("wallets/alice"))["balance"] == 16
    await assert_promises_kept(world)


async def test_a_photo_keeps_its_part_where_the_other_model_reads_none(world: World, groq: GroqServer) -> None:
    """The part stays in its lane as a whole, and goes on there."""
    await world.give("alice", 20)
    world.provider.hold("in_progress")
    items = [{"text": "a jar"}, {"imageUri": await world.upload("alice")}]
    bulk_id = await world.start_bulk(items=items, maxTokens=2)
    world.pass_time(hours=21)
    assert await world.tick() == 200
    world.provider.release()
    assert (await _spend_a_night(world, bulk_id, groq))["counts"]["completed"] == 2
    assert "groq" not in {batch["provider"] for batch in await world.batches()}


async def test_what_an_earlier_bulk_job_completed_is_skipped_by_its_key(world: World) -> None:
    """Of three keys two were completed: the second bulk job asks, and charges, for the third and a new one."""
    await world.give("alice", 20)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="kind 1"))
    keyed = [{"id": str(number), **row} for number, row in enumerate(rows(3))]
    first = await world.start_bulk(items=keyed, keyColumn="id", maxTokens=3)
    assert (await run_to_the_end(world, first))["counts"]["completed"] == 2
    skip: dict[str, Any] = {"keyColumn": "id", "skip": {"bulkId": first}, "maxTokens": 9}
    second = await world.start_bulk(items=[*keyed, {"id": "new", "text": "a new one"}], **skip)
    ended = await run_to_the_end(world, second)
    assert (ended["quote"]["items"], ended["quote"]["skipped"], ended["quote"]["tokens"]) == (2, 2, 2)
    lines = [json.loads(line) for line in (await world.result(second, "results.jsonl")).splitlines()]
    assert [(line["row"], line["key"]) for line in lines] == [(2, "1"), (4, "new")]

    await world.give("bob", 9)
    stranger = await world.bulk(await world.start_bulk("bob", items=keyed, **skip))
    assert (stranger["status"], stranger["errorCode"]) == ("failed", "invalid_input"), "another user's is not read"
    await assert_promises_kept(world)


async def test_a_row_that_had_the_answer_of_an_equal_one_is_skipped_too(world: World) -> None:
    """Keys 1, 2 and 4 were answered, two of them by one request, in another part; key 3 was declined, and its equal."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 20)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="tin"))
    texts = ("jar", "cup", "tin", "jar", "tin")
    keyed = [{"id": str(number), "text": text} for number, text in enumerate(texts, 1)]
    chosen: dict[str, Any] = {"items": keyed, "keyColumn": "id", "dedupe": True, "maxTokens": 9}
    first = await world.start_bulk(**chosen)
    assert (await run_to_the_end(world, first))["counts"]["completed"] == 2

    second = await run_to_the_end(world, await world.start_bulk(**chosen, skip={"bulkId": first}))
    assert (second["quote"]["items"], second["quote"]["skipped"], second["quote"]["duplicates"]) == (1, 3, 1)
    await assert_promises_kept(world)


async def test_equal_requests_are_asked_and_paid_once(world: World) -> None:
    """Five rows of two kinds, over three parts; the equal ones of a later part are known, too."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="2")
    await world.give("alice", 20)
    items = [*rows(2), *rows(2), rows(1)[0]]
    bulk_id = await world.start_bulk(items=items, dedupe=True, maxTokens=5)
    ended = await run_to_the_end(world, bulk_id)
    assert (ended["quote"]["items"], ended["quote"]["duplicates"]) == (2, 3)
    assert (await world.read("wallets/alice"))["balance"] == 18
    assert sum(batch["jobCount"] for batch in await world.batches()) == 2
    lines = [json.loads(line) for line in (await world.result(bulk_id, "results.jsonl")).splitlines()]
    assert [line["status"] for line in lines] == ["completed"] * 5
    await assert_promises_kept(world)


async def test_rows_of_too_many_values_are_refused_before_they_are_looked_at(world: World) -> None:
    """A client's document holds a megabyte: of 70,000 values it is refused, and its rows go."""
    await world.give("alice", 20)
    items = [{"text": "a jar", "more": [None] * 1_000} for _ in range(70)]
    refused = await world.bulk(await world.start_bulk(items=items, maxTokens=70))
    assert (refused["status"], refused["errorCode"]) == ("failed", "invalid_input")
    assert "too large" in refused["errorMessage"]
    assert "items" not in refused
    assert (await world.read("wallets/alice"))["balance"] == 20


async def test_a_bulk_job_is_told_outside_the_app_by_one_message(world: World) -> None:
    """However many items it has; one that was refused has a message as well, single items have none."""
    async with telling(world) as messages:
        await messages.user()
        bulk_id = await world.start_bulk(items=rows(3), maxTokens=3)
        await run_to_the_end(world, bulk_id)
        refused = await world.start_bulk(items=[{"text": ""}], maxTokens=3)
        outbox = await world.documents("outbox")
        assert outbox.keys() == {f"{bulk_id}.bulk_completed", f"{refused}.bulk_failed"}
        assert outbox[f"{bulk_id}.bulk_completed"]["topic"] == "bulk"
        for message_id in outbox:
            assert await messages.deliver(message_id) == 200
        subjects = [mail["Subject"] for mail in messages.mailbox.mails]
        assert subjects.count("Waste classification: your results are ready") == 1


async def test_the_operators_commands_know_bulk_jobs(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """`job` names the command for one; `bill` has what its answers in real time cost."""
    await world.give("alice", 40)
    bulk_id = await world.start_bulk(items=rows(2), mode="instant", maxTokens=10)
    bulk = await run_to_the_end(world, bulk_id)
    assert bulk["costUsd"] == bulk["budgetUsd"] > 0, "it counts against the day's budget"
    code, _, complaint = await operate(world, capsys, "job", bulk_id)
    assert (code, f"./nightshift bulk {bulk_id}" in complaint) == (1, True)
    _, told, _ = await operate(world, capsys, "bill", "--json")
    (bill,) = (line["bill"] for line in map(json.loads, told.splitlines()) if "bill" in line)
    assert 0 < bill["instantBulkUsd"] == bill["instantCostUsd"] == bill["totalCostUsd"]
