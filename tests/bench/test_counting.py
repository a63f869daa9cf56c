"""What is known to be billed is what the counter counts, over the real emulators and the real clients."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.api_core.exceptions import AlreadyExists
from google.cloud.firestore import AsyncClient, FieldFilter

from bench.counting import bill, counter
from tests.support.world import World


@pytest.fixture
async def firestore(world: World) -> AsyncIterator[AsyncClient]:
    """A client that was built under the counter."""
    with counter():
        client = AsyncClient(project=world.project)
        yield client
        client.close()


async def _write_numbers(client: AsyncClient, count: int) -> Any:
    """Write so many documents `{"number": n}`, uncounted."""
    numbers = client.collection("numbers")
    for start in range(0, count, 500):
        batch = client.batch()
        for number in range(start, min(count, start + 500)):
            batch.set(numbers.document(f"{number:05}"), {"number": number})
        await batch.commit()
    return numbers


async def test_each_write_of_a_commit_is_one_write(firestore: AsyncClient) -> None:
    """Creates, sets and updates are writes, with or without a server's timestamp; a delete is a delete."""
    numbers = await _write_numbers(firestore, 3)
    with bill() as billed:
        batch = firestore.batch()
        batch.create(numbers.document("new"), {"number": 9})
        batch.set(numbers.document("00000"), {"number": 0})
        batch.update(numbers.document("00001"), {"number": 1})
        batch.delete(numbers.document("00002"))
        await batch.commit()
    assert (billed.writes, billed.deletes, billed.refused_writes, billed.reads) == (3, 1, 0, 0)


async def test_a_refused_commit_writes_nothing(firestore: AsyncClient) -> None:
    """All writes of a commit that failed are counted apart, and none as written."""
    numbers = await _write_numbers(firestore, 1)
    with bill() as billed:
        batch = firestore.batch()
        batch.create(numbers.document("00000"), {})
        batch.set(numbers.document("other"), {})
        with pytest.raises(AlreadyExists):
            await batch.commit()
    assert (billed.writes, billed.refused_writes) == (0, 2)


async def test_a_missing_document_is_read_like_one_that_exists(firestore: AsyncClient) -> None:
    """A get of four documents, one of which exists, is four reads."""
    numbers = await _write_numbers(firestore, 1)
    with bill() as billed:
        found = [snapshot async for snapshot in firestore.get_all([numbers.document(f"0000{n}") for n in range(4)])]
    assert sum(snapshot.exists for snapshot in found) == 1
    assert billed.reads == 4


async def test_a_query_costs_what_it_returns_and_at_least_one(firestore: AsyncClient) -> None:
    """Seven documents are seven reads; none is one; what an offset passes over is read as well."""
    numbers = await _write_numbers(firestore, 10)
    small = numbers.where(filter=FieldFilter("number", "<", 7))
    with bill() as seven:
        assert len(await small.get()) == 7
    with bill() as none:
        assert await numbers.where(filter=FieldFilter("number", ">", 70)).get() == []
    with bill() as past_an_offset:
        assert len(await small.offset(5).get()) == 2
    assert (seven.reads, none.reads, past_an_offset.reads) == (7, 1, 7)


async def test_an_aggregation_is_one_read_per_thousand(firestore: AsyncClient) -> None:
    """A count of 1,001 is two reads, one of ten and one of nothing are one."""
    numbers = await _write_numbers(firestore, 1_001)
    with bill() as many:
        await numbers.count().get()
    with bill() as few:
        await numbers.where(filter=FieldFilter("number", "<", 10)).count().get()
    with bill() as none:
        await numbers.where(filter=FieldFilter("number", ">", 9_999)).count().get()
    assert (many.reads, few.reads, none.reads) == (2, 1, 1)


async def test_what_is_done_outside_is_not_counted(firestore: AsyncClient) -> None:
    """The test's own calls between two accounts appear in neither."""
    with bill() as first:
        await firestore.document("numbers/1").set({})
    await firestore.document("numbers/2").set({})
    with bill() as second:
        await firestore.document("numbers/3").set({})
    assert (first.writes, second.writes) == (1, 1)


async def test_calls_to_the_provider_and_to_storage_are_counted_by_kind(world: World) -> None:
    """One job from its trigger to its answer: one upload, one create, one download, two files deleted."""
    with counter():
        await world.give("alice", 5)
        job_id = await world.write()
        with bill() as billed:
            await world.trigger(job_id)
            await world.finish()
    assert (await world.job(job_id))["status"] == "completed"
    calls = billed.provider_calls
    assert (calls["POST /files"], calls["POST /batches"], calls["GET /files/ID/content"]) == (1, 1, 1)
    assert calls["DELETE /files/ID"] == 2
    assert billed.storage_calls["POST upload"] == 2, "the input, and a copy of the output"
    assert billed.published_messages == 0


async def test_published_messages_are_counted(world: World) -> None:
    """An output of three shards calls three workers."""
    with counter():
        world.set_env(NIGHTSHIFT_SHARD_LINES="1", NIGHTSHIFT_COALESCE_SECONDS="3600")
        await world.open_pubsub()
        await world.give("alice", 5)
        for _ in range(3):
            await world.write()
        world.pass_time(seconds=200)
        await world.tick()
        await world.provider.settled()
        with bill() as billed:
            await world.tick()
    assert billed.published_messages == 3
