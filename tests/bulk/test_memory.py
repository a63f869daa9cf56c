"""What is read in part is freed at once: Python looks for circles of objects seldom, and each would hold megabytes."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from weakref import ref

import pytest

from nightshift.bulk import documents
from nightshift.bulk.bulk_job import BulkRequest
from nightshift.bulk.round_ends import RoundEnds
from nightshift.bulk.source_rows import SourceRows
from tests.bulk.test_batch_mode import rows, run_to_the_end
from tests.support.world import World


@pytest.fixture(autouse=True)
def _no_search_for_circles() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def test_the_readers_of_a_parts_rounds_are_freed_with_the_part(world: World) -> None:
    """Nothing asks for the lines behind the last item, so each reader is left in the middle."""
    await world.give("alice", 9)
    bulk_id = await world.start_bulk(items=rows(2), maxTokens=2)
    await run_to_the_end(world, bulk_id)
    runtime = world.operators_runtime()
    (part,) = await documents.whole_parts(runtime, bulk_id)
    ends = RoundEnds(runtime, part)
    assert await ends.of(1)

    readers = [ref(reader) for reader in ends._rounds]
    del ends

    assert [reader() for reader in readers] == [None]


async def test_a_source_that_is_not_read_to_its_end_is_freed_with_its_reader(world: World) -> None:
    """As where a bulk job is cancelled, or refused, after some rows."""
    uri = await world.upload("alice", "bulk/list.csv", b"text\njar\ntin\n")
    bulk_id = await world.write_bulk(source={"uri": uri})
    runtime = world.operators_runtime()
    bulk = await documents.read(runtime, bulk_id)
    assert bulk
    request = BulkRequest.model_validate({"userId": "alice", "type": bulk.type, "source": {"uri": uri}})
    source = SourceRows(runtime, replace(bulk, source_generation=None), request, None)
    assert len(await source.next_rows(1)) == 1

    left = ref(source)
    del source

    assert left() is None
