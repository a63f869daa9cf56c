"""Large outputs: cut into shards, settled side by side by workers, in whatever order, number and state they come."""

import asyncio
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.openai_server import Reply, ReplyRule
from nightshift.batches.cutting import Cutter
from tests.support.pause import pause_commit
from tests.support.promises import assert_promises_kept
from tests.support.world import World


async def _ended_batch(world: World, jobs: int, shard_lines: int = 2, **env: str) -> None:
    """A batch of `jobs` jobs that the provider has ended, and no tick has seen yet."""
    await world.open_pubsub()
    world.set_env(NIGHTSHIFT_COALESCE_SECONDS="3600", NIGHTSHIFT_SHARD_LINES=str(shard_lines), **env)
    await world.give("alice", jobs)
    for _ in range(jobs):
        await world.write()
    world.pass_time(hours=1)
    assert await world.tick() == 200
    await world.provider.settled()


async def _shards(world: World) -> dict[str, dict[str, object]]:
    (batch,) = await world.batches()
    return await world.documents(f"ai_batches/{batch['id']}/shards")


async def test_a_large_output_is_settled_by_workers_and_the_last_one_closes_the_batch(world: World) -> None:
    """Seven lines in shards of two are four calls for workers, and no tick is needed after them."""
    await _ended_batch(world, 7)
    assert await world.tick() == 200
    calls = await world.calls_for_workers()
    assert len(calls) == 4
    assert len(await world.jobs("processing")) == 7
    for call in calls:
        assert await world.work(call) == 200
    assert len(await world.jobs("completed")) == 7
    (batch,) = await world.batches()
    assert (batch["status"], batch["counts"]["completed"]) == ("completed", 7)
    assert not await _shards(world), "the shards are gone with the ingestion"
    await assert_promises_kept(world)


async def test_shards_that_an_older_version_cut_are_settled(world: World) -> None:
    """It stored the provider's own lines. A deployment in between loses no answer, and spends no attempt."""
    await _ended_batch(world, 5)
    (theirs,) = [file.path.read_bytes() for file in world.provider.files.values() if file.purpose == "batch_output"]
    assert await world.tick() == 200
    calls = await world.calls_for_workers()
    (batch,) = await world.batches()
    await world.write_artifact(batch["id"], "output.jsonl", theirs)
    ends = list(itertools.accumulate(len(line) for line in theirs.splitlines(keepends=True)))
    for number, (start, end) in enumerate([(0, ends[1]), (ends[1], ends[3]), (ends[3], ends[4])]):
        shard = world.firestore.document(f"ai_batches/{batch['id']}/shards/output-{number:03}")
        await shard.set({"file": "output", "start": start, "end": end, "isSettled": False})

    for call in calls:
        assert await world.work(call) == 200

    assert {(job["status"], job["attempts"]) for job in (await world.jobs()).values()} == {("completed", 1)}
    (batch,) = await world.batches()
    assert (batch["status"], batch["malformedLines"]) == ("completed", 0)
    await assert_promises_kept(world)


async def test_an_older_version_cannot_read_a_shard_of_our_lines(world: World) -> None:
    """It asks for `start` and `end`, and fails: to it each of our lines would be malformed, and its job left out."""
    await _ended_batch(world, 5)
    assert await world.tick() == 200

    shards = (await _shards(world)).values()
    assert {frozenset(shard) for shard in shards} == {frozenset({"file", "byteRange", "isSettled"})}
    (batch,) = await world.batches()
    first = (await world.artifact(batch["id"], "output.jsonl")).splitlines()[0]
    assert set(json.loads(first)) == {"jobId", "text", "stop", "usage"}


async def test_a_small_output_is_settled_in_place(world: World) -> None:
    """An output of as many lines as a shard holds needs no worker."""
    await _ended_batch(world, 2)
    assert await world.tick() == 200
    assert await world.calls_for_workers() == []
    assert len(await world.jobs("completed")) == 2
    await assert_promises_kept(world)


async def test_workers_at_once_settle_each_line_once(world: World) -> None:
    """All calls come at once, each of them twice; a call that was not answered with 200 comes again."""
    await _ended_batch(world, 9)
    assert await world.tick() == 200
    calls = 2 * await world.calls_for_workers()
    while calls:
        statuses = await asyncio.gather(*(world.work(call) for call in calls))
        calls = [call for call, status in zip(calls, statuses, strict=True) if status != 200]
    assert len(await world.jobs("completed")) == 9
    assert not await world.open_batches()
    await assert_promises_kept(world)


async def test_a_call_that_comes_again_while_its_worker_runs_is_to_come_once_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second worker leaves the shard alone; when the first one is done, there is nothing left to do."""
    await _ended_batch(world, 3)
    assert await world.tick() == 200
    call, *_ = await world.calls_for_workers()
    pause = pause_commit(monkeypatch, lambda writes: "/classifications/" in writes, "before")
    first = asyncio.create_task(world.work(call))
    await pause.begun()

    assert await world.work(call) == 500
    assert len(await world.jobs("processing")) == 3
    pause.end()

    assert await first == 200
    assert await world.work(call) == 200
    assert len(await world.jobs("completed")) == 2
    await world.finish()
    await assert_promises_kept(world)


async def test_calls_that_are_lost_are_made_up_for_by_the_tick(world: World) -> None:
    """No worker ever comes."""
    await _ended_batch(world, 7)
    assert await world.tick() == 200
    assert len(await world.calls_for_workers()) == 4
    await world.finish()
    assert len(await world.jobs("completed")) == 7
    await assert_promises_kept(world)


@pytest.mark.parametrize("trouble", ["no topic", "no answer"])
async def test_without_pubsub_the_shards_are_settled_in_place(world: World, trouble: str) -> None:
    """No worker can be called: the same tick does the work."""
    await _ended_batch(world, 7)
    if trouble == "no topic":
        await world.close_pubsub()
    else:
        world.set_env(PUBSUB_EMULATOR_HOST="127.0.0.1:1")
    assert await world.tick() == 200
    assert len(await world.jobs("completed")) == 7
    assert not await world.open_batches()
    await assert_promises_kept(world)


async def test_a_call_that_comes_days_later_finds_nothing_to_do(world: World) -> None:
    """Its batch is closed, its shard gone."""
    await _ended_batch(world, 5)
    assert await world.tick() == 200
    calls = await world.calls_for_workers()
    await world.finish()
    world.pass_time(days=3)
    before = await world.jobs()
    for call in calls:
        assert await world.work(call) == 200
    assert await world.jobs() == before
    await assert_promises_kept(world)


async def test_a_shard_of_a_worker_that_died_is_taken_over(world: World) -> None:
    """While its lease lives the call is to be delivered again; then another worker, or the tick, settles it."""
    await _ended_batch(world, 5)
    assert await world.tick() == 200
    first, *others = await world.calls_for_workers()
    (batch,) = await world.batches()
    shard = world.firestore.document(f"ai_batches/{batch['id']}/shards/output-000")
    dead = {"owner": "a dead worker", "expiresAt": world.now().replace(year=world.now().year + 1), "writes": 3}
    await shard.update({"lease": dead})
    assert await world.work(first) == 500
    for call in others:
        assert await world.work(call) == 200
    assert await world.tick() == 200
    assert len(await world.jobs("processing")) == 2
    await shard.update({"lease.expiresAt": world.now()})
    assert await world.work(first) == 200
    assert not await world.open_batches()
    await assert_promises_kept(world)


async def test_failed_lines_in_their_own_file_are_sharded_too(world: World) -> None:
    """Both files are large; the second one's workers are called when the first one is settled."""
    world.provider.faults.add(ReplyRule(reply=Reply.http_error(400, "context_length_exceeded"), times=5))
    await _ended_batch(world, 9)
    assert await world.tick() == 200
    files = []
    while calls := await world.calls_for_workers():
        files.append(sorted({str(shard["file"]) for shard in (await _shards(world)).values()}))
        for call in calls:
            assert await world.work(call) == 200
    assert files == [["output"], ["errors", "output"]]
    assert (len(await world.jobs("completed")), len(await world.jobs("failed"))) == (4, 5)
    (batch,) = await world.batches()
    assert batch["counts"] == {"completed": 4, "failed": 5, "retried": 0, "cancelled": 0}
    assert batch["usage"]["inputTokens"] > 0
    await assert_promises_kept(world)


async def test_the_numbers_of_the_shards_add_up(world: World) -> None:
    """Odd lines are counted once, in whichever shard they stand; usage is the sum of the lines'."""
    world.provider.script.edit_output = lambda _, lines: [b"not json", *lines, b'{"custom_id": "job-unknown"}']
    await _ended_batch(world, 6)
    assert await world.tick() == 200
    for call in await world.calls_for_workers():
        assert await world.work(call) == 200
    (batch,) = await world.batches()
    assert (batch["malformedLines"], batch["unknownLines"]) == (1, 1)
    used = [job["usage"]["inputTokens"] for job in (await world.jobs()).values()]
    assert batch["usage"]["inputTokens"] == sum(used) > 0
    await assert_promises_kept(world)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"data": "not base64"},
        {"data": "bm8ganNvbg=="},  # no json
        {"data": "W10="},  # []
        {"data": "eyJiYXRjaElkIjogIi4uIn0="},  # {"batchId": ".."}
        {"data": "eyJiYXRjaElkIjogImEvYiJ9"},  # {"batchId": "a/b"}
        {"data": "eyJiYXRjaElkIjogIm5vYm9keSIsICJzaGFyZElkIjogNX0="},  # a number for a shard
        {"data": "eyJiYXRjaElkIjogIm5vYm9keSIsICJzaGFyZElkIjogIm91dHB1dC0wMDAifQ=="},  # a batch that does not exist
    ],
)
async def test_a_message_that_is_no_call_is_dealt_with(world: World, message: dict[str, str]) -> None:
    """No redelivery could mend it."""
    assert await world.work(message) == 200


@given(
    lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=60),
    ends_with_newline=st.booleans(),
    most_lines=st.integers(1, 10),
    chunk_bytes=st.integers(1, 40),
)
def test_stretches_join_to_the_file_and_no_line_is_cut(
    lines: list[bytes], ends_with_newline: bool, most_lines: int, chunk_bytes: int
) -> None:
    """Whatever the chunks, the byte_ranges are the file, each ends at a newline, and none has too many lines."""
    content = b"\n".join(lines) + (b"\n" if ends_with_newline else b"")
    cutter = Cutter(most_lines)
    for start in range(0, len(content), chunk_bytes):
        cutter.feed(content[start : start + chunk_bytes])
    byte_ranges = cutter.byte_ranges()
    parts = [content[byte_range.start : byte_range.end] for byte_range in byte_ranges]
    assert b"".join(parts) == content
    assert all(part.endswith(b"\n") for part in parts[:-1])
    assert all(part.count(b"\n") <= most_lines for part in parts)


def test_a_file_of_very_many_lines_has_a_bounded_number_of_shards() -> None:
    """Shards are joined rather than made without end; together they are still the file."""
    cutter = Cutter(1)
    cutter.feed(b"x\n" * 1_001)
    byte_ranges = cutter.byte_ranges()
    assert len(byte_ranges) <= 200
    assert (byte_ranges[0].start, byte_ranges[-1].end) == (0, 2_002)
    assert all(earlier.end == later.start for earlier, later in itertools.pairwise(byte_ranges))
