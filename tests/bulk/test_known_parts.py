"""An instance reads the parts of a bulk job once, then those that have changed, and takes none for what it was."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud.firestore import SERVER_TIMESTAMP

from nightshift.bulk import documents
from nightshift.bulk.bulk_job import BulkJob
from nightshift.bulk.part import BulkPart
from nightshift.database.commits import Commit
from nightshift.runtime import Runtime
from tests.bulk.test_batch_mode import rows, run_to_the_end
from tests.support.promises import assert_promises_kept
from tests.support.world import World


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the parts that are read."""
    numbers: list[int] = []
    real = documents.part_of

    def noting(snapshot: object) -> BulkPart:
        part = real(snapshot)  # type: ignore[arg-type]
        numbers.append(part.part)
        return part

    monkeypatch.setattr(documents, "part_of", noting)
    return numbers


async def held_up(world: World, parts: int) -> tuple[Runtime, BulkJob]:
    """A running bulk job with so many parts of one item, each written an hour before the one in front of it."""
    world.set_env(NIGHTSHIFT_PART_ITEMS="1")
    await world.give("alice", 2 * parts)
    world.provider.hold("in_progress")
    bulk_id = await world.start_bulk(items=rows(parts), maxTokens=parts)
    for number in range(1, parts + 1):
        ref = world.firestore.document(f"bulk_jobs/{bulk_id}/parts/{number}")
        await ref.update({"updatedAt": datetime.now(UTC) - timedelta(hours=number)})
    runtime = world.operators_runtime()
    bulk = await documents.read(runtime, bulk_id)
    assert bulk
    return runtime, bulk


def versions(parts: Sequence[BulkPart]) -> list[tuple[int, datetime]]:
    """Of all parts in their order: the number, and as of when the part was read."""
    return [(part.part, part.update_time) for part in parts]


def statuses(parts: Sequence[BulkPart]) -> list[str]:
    """Of all parts in their order."""
    return [part.status for part in parts]


async def test_after_the_first_reading_only_what_has_changed_is_read(world: World, read: list[int]) -> None:
    """By this instance or by another one; each change moves the time by which it is found."""
    runtime, bulk = await held_up(world, parts=7)
    known = runtime.instance.bulk_parts
    before = await known.of(bulk)
    assert read[-7:] == [1, 2, 3, 4, 5, 6, 7] == [part.part for part in before]

    read.clear()
    assert versions(await known.of(bulk)) == versions(before)
    # What landed last is read again: another change may have landed since whose request came before.
    assert read == [1]

    change = Commit(world.operators_runtime())
    ref = documents.part_ref(runtime, bulk.bulk_id, 5)
    change.update(ref, {"status": "closed", "updatedAt": SERVER_TIMESTAMP}, read_as_of=before[4].update_time)
    await change.send()
    read.clear()
    after = await known.of(bulk)

    assert sorted(read) == [1, 5]
    assert statuses(after) == [*statuses(before[:4]), "closed", *statuses(before[5:])]
    assert versions(after) == versions(await documents.parts_of(runtime, bulk.bulk_id, 7))


async def test_what_was_changed_by_hand_is_seen_after_ten_minutes(world: World) -> None:
    """Then all parts are read anew."""
    runtime, bulk = await held_up(world, parts=4)
    before = await runtime.instance.bulk_parts.of(bulk)
    await world.firestore.document(f"bulk_jobs/{bulk.bulk_id}/parts/4").update({"status": "closed"})
    assert versions(await runtime.instance.bulk_parts.of(bulk)) == versions(before)

    world.pass_time(minutes=10)

    assert statuses(await runtime.instance.bulk_parts.of(bulk)) == [*statuses(before[:3]), "closed"]


async def test_another_bulk_job_under_the_same_id_is_read_anew(world: World) -> None:
    """A client chooses the id."""
    runtime, bulk = await held_up(world, parts=2)
    assert len(await runtime.instance.bulk_parts.of(bulk)) == 2
    await world.firestore.document(f"bulk_jobs/{bulk.bulk_id}/parts/1").update({"userId": "bob"})

    again = replace(bulk, created_at=bulk.created_at + timedelta(days=1))

    assert [part.user_id for part in await runtime.instance.bulk_parts.of(again)] == ["bob", "alice"]


async def test_a_part_that_does_not_say_when_it_was_changed_lets_all_be_read(world: World) -> None:
    """Nothing is taken for known by a guess."""
    runtime, bulk = await held_up(world, parts=2)
    part = world.firestore.document(f"bulk_jobs/{bulk.bulk_id}/parts/2")
    await part.update({"updatedAt": None})
    await runtime.instance.bulk_parts.of(bulk)
    await part.update({"status": "closed"})

    assert (await runtime.instance.bulk_parts.of(bulk))[1].status == "closed"


async def test_of_many_bulk_jobs_those_asked_for_lately_are_known(world: World, read: list[int]) -> None:
    """What an instance keeps is bounded."""
    world.bound(known_parts=5)
    runtime, first = await held_up(world, parts=3)
    other_id = await world.start_bulk(items=rows(3), maxTokens=3)
    other = await documents.read(runtime, other_id)
    assert other
    await runtime.instance.bulk_parts.of(first)
    await runtime.instance.bulk_parts.of(other)
    read.clear()

    await runtime.instance.bulk_parts.of(first)

    assert read == [1, 2, 3]


async def test_a_bulk_job_of_many_parts_reads_each_part_some_times_and_not_once_for_each_other(
    world: World, read: list[int]
) -> None:
    """With twice the parts, twice the reads and no four times. What landed lately is not read again here."""
    world.bound(commit_lands_within_seconds=0.0)
    world.set_env(NIGHTSHIFT_PART_ITEMS="1")
    await world.give("alice", 60)
    reads = []
    for parts in (8, 16):
        read.clear()
        bulk_id = await world.start_bulk(items=rows(parts), maxTokens=parts)
        await run_to_the_end(world, bulk_id)
        reads.append(len(read))
        assert (await world.bulk(bulk_id))["counts"]["completed"] == parts
    assert reads[1] < 2.5 * reads[0]
    await assert_promises_kept(world)
