"""Bulk jobs whose document is as large as the database takes: each ends, and costs no other user anything."""

from datetime import timedelta

import pytest

from local.openai_server import Reply, ReplyRule
from nightshift.bulk import wishes
from nightshift.ledger.limits import MOST_UNPAID_QUOTES
from tests.bulk.test_batch_mode import run_to_the_end
from tests.support.promises import assert_promises_kept
from tests.support.world import World

# What a client may write into its document, and no longer what the functions may add.
_LARGEST = 1_048_300


@pytest.mark.parametrize("tokens", [0, 5])
async def test_a_bulk_job_whose_rows_fill_its_document_fails_and_leaves_it_small(world: World, tokens: int) -> None:
    """There is no room for what begins the reading. A user without tokens is refused before the rows are read."""
    await world.give("alice", tokens)
    world.pass_time(minutes=5)
    bulk_id = await world.write_bulk("alice", "large", items=[{"text": "x" * (_LARGEST - 250)}], maxTokens=1)

    assert await world.trigger_bulk(bulk_id) == 200
    assert await world.tick() == 200

    bulk = await world.bulk(bulk_id)
    code = "invalid_input" if tokens else "insufficient_tokens"
    assert (bulk["status"], bulk["errorCode"]) == ("failed", code)
    assert "items" not in bulk
    assert (await world.read("wallets/alice"))["balance"] == tokens
    assert (await world.read(f"notifications/bulk.{bulk_id}"))["type"] == "bulk_failed"
    await assert_promises_kept(world)


@pytest.mark.parametrize("wish", [None, "cancel"])
async def test_a_bulk_job_whose_template_fills_its_document_ends_as_well(world: World, wish: str | None) -> None:
    """A backend may write any; the rules bound a client's. Its end has no room beside it, so it goes."""
    await world.give("alice", 5)
    template = {"a" * 1_400: "x" * (_LARGEST - 1_650)}
    bulk_id = await world.write_bulk("alice", "large", items=[{"text": "x"}], template=template, maxTokens=1)
    if wish:
        await world.firestore.document(f"bulk_jobs/{bulk_id}").update({"wish": {"action": wish}})

    assert await world.trigger_bulk(bulk_id) == 200

    bulk = await world.bulk(bulk_id)
    assert bulk["status"] == ("cancelled" if wish else "failed")
    assert not {"template", "items"} & bulk.keys()
    await assert_promises_kept(world)


@pytest.mark.parametrize("end", ["insufficient_tokens", "cancelled"])
async def test_what_was_priced_and_never_paid_is_deleted_within_days(world: World, end: str) -> None:
    """The parts that were read go with the bulk job."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="1")
    await world.give("alice", 1)
    most_tokens = 2 if end == "insufficient_tokens" else None
    bulk_id = await world.start_bulk(items=[{"text": "one"}, {"text": "two"}], maxTokens=most_tokens)
    if end == "cancelled":
        await wishes.cancel(world.operators_runtime(), bulk_id)
        assert await world.work_bulk(bulk_id) == 200

    bulk, parts = await world.bulk(bulk_id), await world.parts(bulk_id)
    assert (bulk["errorCode"], len(parts)) == (end, 2)
    within = world.now() + timedelta(days=8)
    assert all(document["expireAt"] < within for document in (bulk, *parts))
    await assert_promises_kept(world)


async def test_quotes_that_are_not_paid_are_bounded_by_the_day(world: World) -> None:
    """Each reads up to 50,000 rows and their images, for free. One that is paid counts no more."""
    await world.give("alice", 5)
    await world.start_bulk("alice", "paid", items=[{"text": "one"}], maxTokens=1)
    assert (await world.read("wallets/alice"))["admissions"].get("unpaidQuotes", 0) == 0
    # All but two of the day's quotes are behind her.
    earlier = {"admissions.unpaidQuotes": MOST_UNPAID_QUOTES - 2}
    await world.firestore.document("wallets/alice").update(earlier)
    codes = []
    for number in range(3):
        bulk_id = await world.start_bulk("alice", f"free-{number}", items=[{"text": "one"}])
        codes.append((await world.bulk(bulk_id)).get("errorCode"))
        await wishes.cancel(world.operators_runtime(), bulk_id) if codes[-1] is None else None
        await world.work_bulk(bulk_id)

    assert codes == [None, None, "daily_limit"]
    world.pass_time(days=1)
    tomorrow = await world.start_bulk(items=[{"text": "one"}])
    assert (await world.bulk(tomorrow))["status"] == "quoted"


async def test_a_retry_is_refused_once_failed_answers_cost_too_much(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails brings its tokens back, so with one token it could be run again without end. It is logged once."""
    world.set_env(NIGHTSHIFT_MAX_FAILED_USD_PER_DAY="0.000001")
    await world.give("alice", 1)
    world.provider.faults.add(ReplyRule(Reply.refuses("no"), text="no", times=None))
    bulk_id = await world.start_bulk(items=[{"text": "no"}], maxTokens=1)
    await run_to_the_end(world, bulk_id)
    assert (await world.bulk(bulk_id))["counts"]["failed"] == 1

    await wishes.retry(world.operators_runtime(), bulk_id, tokens=1)
    await world.work_bulk(bulk_id)

    assert (await world.bulk(bulk_id))["errorCode"] == "too_many_failures"
    assert (await world.read("wallets/alice"))["balance"] == 1
    assert capsys.readouterr().out.count("failures_limit_reached") == 1
    await assert_promises_kept(world)


@pytest.mark.parametrize("key_column", [None, "id"])
async def test_names_of_columns_are_bounded_and_shown_as_text(world: World, key_column: str | None) -> None:
    """In the document as in a file: long ones, or thousands of them, reach no sentence and no other document."""
    await world.give("alice", 9)
    rows = [
        {"\x1b]52;c;aGk=\x07text": "one", "text": "two"},
        {f"{number}{'x' * 1_400}": "one" for number in range(60)},
        {f"column {number}": "one" for number in range(4_000)},
    ]
    bulk_id = await world.start_bulk(items=rows, keyColumn=key_column, maxTokens=9)

    bulk = await world.bulk(bulk_id)
    note = await world.read(f"notifications/bulk.{bulk_id}")
    if key_column:
        assert (bulk["errorCode"], len(bulk["errorMessage"]) < 3_000) == ("invalid_input", True)
        assert "\x1b" not in bulk["errorMessage"] + note["message"]
    else:
        assert (bulk["counts"]["failed"], bulk["quote"]["items"]) == (2, 1)
        assert sum(len(str(part)) for part in await world.parts(bulk_id)) < 50_000
    await world.finish()
    await assert_promises_kept(world)
