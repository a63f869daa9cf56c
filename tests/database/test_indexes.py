"""firestore.indexes.json has the indexes that the functions', the operators' and the app's queries need, and no others.

The emulator answers every query, whether there is an index or not. So the queries are recorded while everything that
asks one is driven, and held against the file by the published rules (tests/support/index_rules.py).
"""

import json
import runpy
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from google.cloud.firestore import FieldFilter

from cli.__main__ import COMMANDS
from cli.commands import running
from local.openai_server import Reply, ReplyRule, RequestFault
from nightshift.batches import documents as batches
from nightshift.instant import transitions as realtime
from nightshift.notify.again import not_sent
from nightshift.providers.registry import lane_of
from nightshift.values.lane import Lane
from tests.support import app_page
from tests.support.auditing import spend_a_night
from tests.support.index_rules import Indexes, Needs
from tests.support.messages import telling
from tests.support.query_recorder import QueryPlaces, recorded
from tests.support.world import World

DECLARED: dict[str, Any] = json.loads((Path(__file__).parents[2] / "firestore.indexes.json").read_text())
# Counted where a user's limit is near, at each admission: merged from the index of all that is queued, it would read
# other users' jobs, too, and is billed by what it reads.
IN_FLIGHT = Needs(collection="ai_jobs", fixed=frozenset({"userId", "status"}))


_REPROCESS = "reprocess --type none"


@pytest.fixture
def queries() -> Iterator[set[Needs]]:
    """What is recorded, from before the world's first client is built."""
    with recorded() as asked:
        yield asked


async def _admit_near_a_users_limit(world: World) -> None:
    """The jobs in flight are counted."""
    for _ in range(3):
        await world.submit("carol")
    await world.finish()


async def _submit_under_a_budget(world: World) -> None:
    """The day's batches are summed."""
    await world.submit("carol")
    await world.finish()


async def _submit_without_those_who_had_their_share(world: World) -> None:
    """What carol has taken is summed; then the queue is read without her. And what is in flight is summed."""
    world.set_env(NIGHTSHIFT_MAX_ENQUEUED_TOKENS="1000000")
    world.provider.hold("in_progress")
    job_id = await world.submit("carol")
    await world.firestore.document(f"ai_jobs/{job_id}").update({"shareUsd": 30})
    await world.firestore.document(f"ai_batches/{(await world.job(job_id))['batchId']}").update({"budgetUsd": 30})
    await world.submit("carol")
    for _ in range(2):
        # The first one sees that carol's share is spent.
        assert await world.tick() == 200
        assert len(await world.jobs("queued")) == 1
    world.provider.release()
    world.set_env(NIGHTSHIFT_DAILY_BUDGET_USD="0", NIGHTSHIFT_MAX_ENQUEUED_TOKENS="0")
    await world.finish()


async def _hear_from_the_provider(world: World) -> None:
    """A batch is found by the provider's id."""
    await world.submit("carol")
    await world.provider.settled()
    for remote_id in list(world.provider.batches):
        assert (await world.webhook(remote_id)).status_code == 200
    await world.finish()


async def _ingest_in_shards(world: World) -> None:
    """Four jobs in two shards, each settled by a worker; the last of them closes the batch."""
    await world.open_pubsub()
    for _ in range(4):
        await world.write("carol")
    world.pass_time(hours=1)
    assert await world.tick() == 200
    await world.provider.settled()
    assert await world.tick() == 200
    for call in await world.calls_for_workers():
        assert await world.work(call) == 200
    await world.finish()


async def _lose_answers(world: World) -> None:
    """The output cannot be read at first, and then lacks a job: both times what still waits is looked for."""
    unreadable = RequestFault(method="GET", path=r"/v1/files/[^/]+/content", status=404)
    world.provider.faults.add(ReplyRule(Reply.left_out()), unreadable)
    await world.submit("carol")
    await world.finish()


async def _fold_the_history(world: World) -> None:
    """A batch of two types in which one fails and one ran again for nothing; a part in real time; then an audit."""
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), text="never", times=None))
    failed = await world.submit("carol", input={"text": "never"})
    await world.finish()
    assert (await world.api("POST", f"/jobs/{failed}/retry", "carol", admin=True)).status_code == 200
    await world.write("carol", type="photo_rating", input={"imageUri": await world.upload("carol")})
    world.pass_time(hours=1)
    assert await world.tick() == 200
    await world.finish()
    world.pass_time(minutes=10)
    assert await world.tick() == 200
    assert await running.run(world.operators_runtime(), running.parsed(COMMANDS, ["audit"])) in {0, 1}


async def _ask_for_statistics(world: World) -> None:
    """All jobs are counted by status."""
    assert (await world.stats(admin=True)).status_code == 200


async def _operate(world: World) -> None:
    """Every command that reads, with a batch at the provider and a job that waits; `retry jobs` finds none to run."""
    world.provider.hold("in_progress")
    await world.submit("carol")
    waiting = await world.submit("carol")
    await world.firestore.document(f"ai_jobs/{waiting}").update({"status": "queued"})
    for line in (
        "audit",
        "batches",
        "batches --all",
        "bill",
        "report month",
        "stats",
        f"job {waiting}",
        "retry jobs --code none",
        "jobs --limit 2",
        "jobs --status queued --since 36h",
        "jobs --user carol --status queued --since 36h --limit 1",
        "user carol",
        _REPROCESS,
    ):
        assert await running.run(world.operators_runtime(), running.parsed(COMMANDS, line.split())) in {0, 1}
    # What tells an outage of a lane, once a job of it was spared for the last time.
    await batches.health(world.operators_runtime(), lane_of("gpt-5-mini"))
    world.provider.release()


async def _erase_a_user(world: World) -> None:
    """One with a job that was answered, and with one that still waits."""
    await world.give("dora", 5)
    await world.start_bulk("dora", items=[{"text": "a tin"}])
    await world.submit("dora")
    await world.finish()
    await world.write("dora")
    assert await running.run(world.operators_runtime(), running.parsed(COMMANDS, ["erase", "dora", "--yes"])) == 0


async def _assemble_anew(world: World) -> None:
    """The process that assembled a batch died after its first claim; its jobs are counted."""
    world.provider.faults.add(RequestFault("POST", "/v1/files", status=503))
    await world.submit("carol")
    (batch,) = await world.open_batches()
    await world.firestore.document(f"ai_batches/{batch['id']}").update({"status": "assembling"})
    await world.finish()


async def _fail_once(world: World) -> None:
    """A job's first answer is not valid, its second is."""
    world.provider.faults.add(ReplyRule(Reply(content="no JSON"), text="trouble"))
    await world.submit("carol", input={"text": "trouble"})
    await world.finish()


async def _move_what_is_late_or_broken(world: World) -> None:
    """A batch is late, so the lane's history is read; then its model is not there, and what is queued is moved."""
    world.provider.hold("in_progress")
    await world.submit("carol")
    world.pass_time(hours=3)
    assert await world.tick() == 200
    world.provider.release()
    await world.finish()
    no_model = {"error": {"code": "model_not_found", "message": "No such model.", "type": "invalid_request_error"}}
    world.provider.faults.add(RequestFault("POST", "/v1/batches", status=404, body=no_model, times=2))
    await world.submit("carol")
    await world.submit("carol")
    await world.finish()


async def _list_as_the_app_does(world: World) -> None:
    """The lists of docs/APP.md, in all its languages, and of the dashboard; and one's own without an order."""
    for collection in ("ai_jobs", "classifications", "notifications"):
        own = world.firestore.collection(collection).where(filter=FieldFilter("userId", "==", "carol"))
        await own.limit(100).get()
    for query in app_page.all_queries() | app_page.dashboards_queries():
        await query.of(world.firestore, "carol").get()


async def _answer_in_real_time(world: World) -> None:
    """A job is near its deadline; then one waits, with an answer that was none behind it. It stays so."""
    await world.submit("carol", deadline=world.now() + timedelta(days=1))
    world.provider.hold("in_progress")
    await world.submit("carol", deadline=world.now() + timedelta(seconds=90))
    assert await world.sweep() == 200
    world.provider.faults.add(
        ReplyRule(Reply(content="no JSON")),
        RequestFault("POST", "/v1/chat/completions", when="before", status=None),
        RequestFault("POST", "/v1/chat/completions", status=429, headers={"Retry-After": "600"}),
    )
    job_id = await world.submit("carol", speed="instant")
    assert await world.sweep() == 200
    lane = Lane.parse((await world.job(job_id))["lane"])
    await realtime.has_answered_since(world.operators_runtime(), lane, world.now() - timedelta(hours=1))


async def _run_bulk_jobs(world: World) -> None:
    """One in two parts, one that leaves its rows out, one in real time; then an operator looks at them."""
    items = [{"text": f"kind {number}", "id": str(number)} for number in range(3)]
    world.provider.release()
    first = await world.start_bulk("carol", items=items, keyColumn="id", maxTokens=9)
    for _ in range(8):
        await world.provider.settled()
        assert await world.tick() == 200
        # A drive before this one has let the lane back off.
        world.pass_time(minutes=10)
    assert (await world.bulk(first))["status"] == "completed"
    await world.start_bulk("carol", items=items, keyColumn="id", skip=first, dedupe=True)
    await world.start_bulk("carol", items=items, mode="instant", maxTokens=20)
    assert await world.sweep() == 200
    runtime = world.operators_runtime()
    for line in ("audit", "bulk", f"bulk {first}"):
        assert await running.run(runtime, running.parsed(COMMANDS, line.split())) in {0, 1}
    own = world.firestore.collection("bulk_jobs").where(filter=FieldFilter("userId", "==", "carol"))
    await own.order_by("createdAt", direction="DESCENDING").limit(20).get()


async def _ask_the_api(world: World) -> None:
    """Its lists, from page to page; a device; and orders, which a worker carries out."""
    await world.open_pubsub()
    for number in range(2):
        items = {"type": "waste_classification", "items": [{"text": f"bottle {number}"}]}
        assert (await world.api("POST", "/bulk-jobs", "carol", json=items)).status_code == 201
    for path, is_admin in (
        *(("/jobs?pageSize=1", False), ("/jobs?pageSize=1&status=completed", False), ("/bulk-jobs?pageSize=1", False)),
        *(("/batches?pageSize=1", True), ("/batches?pageSize=1&open=true", True), ("/queue", True)),
        *(("/batches?pageSize=1&status=failed", True), ("/batches/none/jobs?pageSize=1", True)),
        *(("/users/carol/jobs?pageSize=1&status=failed", True), ("/failed-jobs?batch=none", True)),
        *(("/dashboard", True), ("/report", True), ("/alerts", True), ("/alerts?open=true", True)),
    ):
        page = (await world.api("GET", path, "carol", admin=is_admin)).json()
        if token := page.get("nextPageToken"):
            more = await world.api("GET", f"{path}&pageToken={token}", "carol", admin=is_admin)
            assert more.status_code == 200
    assert (await world.api("PUT", "/me/devices/phone", "carol", json={"token": "t"})).status_code == 200
    await _let_a_user_wait(world)
    for path, body in (("/queue/submit", {}), ("/jobs/retry", {"code": "none"})):
        assert (await world.api("POST", path, "carol", admin=True, json=body)).status_code == 202
    await world.deliver_calls()
    await world.finish()


async def _let_a_user_wait(world: World) -> None:
    """Of whom an order then sends the jobs alone."""
    lane = lane_of("gpt-5-mini")
    fields = {"lane": str(lane), "usersBackOff": {"carol": world.now() + timedelta(minutes=30)}}
    await world.firestore.document(f"lanes/{lane.document_id}").set(fields)
    await world.submit("carol")


# Each with the settings that it needs, next to these.
async def _write_bulk_jobs(world: World) -> None:
    """As a client writes them, before they are read; and one with an item that is asked for again and again."""
    world.provider.faults.add(ReplyRule(Reply.http_error(503), text="a dented tin", times=None))
    await world.start_bulk("carol", items=[{"text": "a dented tin"}], maxTokens=9)
    for _ in range(3):
        await world.provider.settled()
        assert await world.tick() == 200
    # A part in real time, which no tick has counted yet.
    await world.give("erin", 5)
    fast = await world.start_bulk("erin", items=[{"text": "a tin"}], mode="instant", maxTokens=5)
    assert await world.work_bulk(fast, 1) == 200
    await world.write_bulk("carol", items=[{"text": "a tin"}])
    await world.write_bulk("carol", source={"uri": "gs://bucket/users/carol/bulk/list.csv"}, template={"text": "{{a}}"})


async def _hear_of_an_end(world: World) -> None:
    async with telling(world) as messages:
        await messages.user()
        await messages.wants(email=True, push=True)
        await messages.device("phone")
        await messages.deliver(await messages.ended())
        assert await world.tick() == 200
        await not_sent(world.operators_runtime(), 5)


SETTINGS = {
    "NIGHTSHIFT_COALESCE_SECONDS": "0",
    "NIGHTSHIFT_DAILY_BUDGET_USD": "0",
    "NIGHTSHIFT_FALLBACK_MODEL": "",
    "NIGHTSHIFT_MAX_JOBS_IN_FLIGHT": "20000",
    "NIGHTSHIFT_PART_ITEMS": "2000",
    "NIGHTSHIFT_SHARD_LINES": "2000",
}
DRIVES: tuple[tuple[Callable[[World], Awaitable[None]], dict[str, str]], ...] = (
    (_ask_for_statistics, {}),
    (spend_a_night, {}),
    (_fold_the_history, {}),
    (_admit_near_a_users_limit, {"NIGHTSHIFT_MAX_JOBS_IN_FLIGHT": "2"}),
    (_submit_under_a_budget, {"NIGHTSHIFT_DAILY_BUDGET_USD": "100"}),
    (_submit_without_those_who_had_their_share, {"NIGHTSHIFT_DAILY_BUDGET_USD": "100"}),
    (_hear_from_the_provider, {}),
    (_ingest_in_shards, {"NIGHTSHIFT_SHARD_LINES": "2"}),
    (_lose_answers, {}),
    (_operate, {}),
    (_erase_a_user, {}),
    (_assemble_anew, {}),
    (_fail_once, {}),
    (_move_what_is_late_or_broken, {"NIGHTSHIFT_FALLBACK_MODEL": "gpt-5-nano"}),
    (_list_as_the_app_does, {}),
    (_ask_the_api, {}),
    (_run_bulk_jobs, {"NIGHTSHIFT_PART_ITEMS": "2"}),
    (_hear_of_an_end, {}),
    (_write_bulk_jobs, {}),
    (_answer_in_real_time, {}),
)


async def test_the_indexes_are_those_that_the_queries_need(queries: set[Needs], world: World) -> None:
    """Every place that asks was driven; every query has its indexes; no index and no override is without a use."""
    places = QueryPlaces()
    await world.give("carol", 200)
    with places.watched():
        for drive, settings in DRIVES:
            world.set_env(**SETTINGS | settings)
            await drive(world)

    assert sorted(places.missed) == [], "places that ask a query which no drive of this test reaches"
    assert len(places.all) > 15, "the places are found at all"
    assert {"ai_jobs", "ai_batches", "shards", "ledger"} <= {needs.collection for needs in queries}
    assert _troubles(DECLARED, queries) == []
    for index in DECLARED["indexes"]:
        if any("vectorConfig" in field for field in index["fields"]):
            continue
        without = DECLARED | {"indexes": [other for other in DECLARED["indexes"] if other is not index]}
        assert _troubles(without, queries), f"nothing misses the index {index}"
    overridden = Indexes.read(DECLARED).overrides
    for group in {group for group, _ in overridden}:
        of_group = world.firestore.collection_group(group).stream()
        written = {field async for snapshot in of_group for field in snapshot.to_dict() or {}}
        unknown = {field for overridden_group, field in overridden if overridden_group == group} - written
        assert not unknown, f"{group} has no such field"


def _troubles(declared: dict[str, Any], queries: set[Needs]) -> list[str]:
    indexes = Indexes.read(declared)
    unanswered = [f"no index for {needs}" for needs in queries if not indexes.answer(needs)]
    unused = [f"no query for {index}" for index in indexes.composite if not any(map(index.answers, queries))]
    slow = (
        [] if any(index.answers(IN_FLIGHT) for index in indexes.composite) else [f"no index by itself for {IN_FLIGHT}"]
    )
    return sorted(unanswered + unused + slow)


def test_a_query_that_no_drive_reaches_is_named(tmp_path: Path) -> None:
    """A place is found in the code itself, and is reached when its line is run, not when its function is."""
    source = tmp_path / "new.py"
    source.write_text(
        "def find(query, is_rare):\n    if is_rare:\n        query = query.where('a')\n    return query\n"
    )
    places = QueryPlaces(tmp_path)
    find = runpy.run_path(str(source))["find"]

    with places.watched():
        find(Mock(), is_rare=False)
    assert places.missed == {"new.py:3"}

    with places.watched():
        find(Mock(), is_rare=True)
    assert not places.missed
