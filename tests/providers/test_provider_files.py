"""Files at the provider that cannot be read, deleted, or are not what they are said to be."""

import json
from typing import Any

import httpx2
import pytest
from openai.resources.files import AsyncFiles

from local.openai_server import RequestFault
from local.provider_server.batches import Batch
from tests.support.promises import assert_promises_kept
from tests.support.world import World


@pytest.mark.parametrize("status", [400, 500])
async def test_a_file_that_can_never_be_deleted_keeps_a_batch_open_for_a_while_only(world: World, status: int) -> None:
    """The answers are delivered at once; the batch is closed in the end."""
    world.provider.faults.add(RequestFault("DELETE", "/v1/files/.*", status=status, times=None))
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()

    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "completed"
    world.pass_time(hours=73)
    await world.finish()


@pytest.mark.parametrize(("status", "times"), [(400, 3), (402, 3), (404, 1), (409, 3), (499, 3), (500, 3)])
async def test_a_file_that_is_not_deleted_at_once_is_deleted_later(world: World, status: int, times: int) -> None:
    """Whatever the provider says of it. The batch is closed after that."""
    world.provider.faults.add(RequestFault("DELETE", "/v1/files/.*", status=status, times=times))
    await world.give("alice", 1)
    await world.submit("alice")
    await world.finish()

    assert [batch["status"] for batch in await world.batches()] == ["completed"]
    assert not world.provider.files


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_result_file_that_can_never_be_read_is_given_up(world: World, status: int) -> None:
    """It is tried for a day at most; then its jobs are sent again."""
    fault = RequestFault("GET", "/v1/files/.*/content", status=status, times=None)
    world.provider.faults.add(fault)
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "processing"

    world.pass_time(hours=25)
    assert await world.tick() == 200
    world.provider.faults.clear()
    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    await assert_promises_kept(world)


@pytest.mark.parametrize("path", ["/v1/files/[^/]*", "/v1/files/.*/content"])
async def test_an_output_file_that_is_not_visible_at_once_is_waited_for(world: World, path: str) -> None:
    """One 404 does not throw answers away that were paid for."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    world.provider.faults.add(RequestFault("GET", path, status=404, times=1))

    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)


@pytest.mark.parametrize("stated", [10**6, 1, 0, None, "many"])
async def test_a_wrong_file_size_discards_no_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, stated: object
) -> None:
    """A file ends where the provider has nothing more to give, whatever size it states."""
    read = AsyncFiles.retrieve

    async def misstated(files: AsyncFiles, file_id: str, **options: Any) -> Any:
        return (await read(files, file_id, **options)).model_copy(update={"bytes": stated})

    monkeypatch.setattr(AsyncFiles, "retrieve", misstated)
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    await world.finish()

    assert (await world.job(job_id))["attempts"] == 1


async def test_an_empty_output_file_is_an_output_without_lines(world: World) -> None:
    """Its jobs have no answer and are sent again."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    emptied: list[str] = []

    def empty_once(batch: Batch, lines: list[bytes]) -> list[bytes]:
        emptied.append(batch.id)
        return [] if len(emptied) == 1 else lines

    world.provider.script.edit_output = empty_once
    world.provider.hold("finalizing")
    world.provider.release()

    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"


@pytest.mark.parametrize(("kind", "encoding"), [("text/html", "identity"), ("application/jsonl", "gzip")])
async def test_an_output_that_is_not_the_file_is_not_taken_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, encoding: str
) -> None:
    """A proxy's page, or what cannot be unpacked, is waited out; it costs no attempt."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    with monkeypatch.context() as patched:
        replace_output(patched, {"content-type": kind, "content-encoding": encoding})
        assert await world.tick() == 200
        assert (await world.job(job_id))["status"] == "processing"

    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    await assert_promises_kept(world)


@pytest.mark.parametrize(("kind", "encoding"), [("text/html", "identity"), ("application/jsonl", "gzip")])
async def test_an_output_that_never_comes_is_given_up_after_a_day(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, encoding: str
) -> None:
    """Its jobs are sent again; no batch stays open for ever."""
    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    with monkeypatch.context() as patched:
        replace_output(patched, {"content-type": kind, "content-encoding": encoding})
        assert await world.tick() == 200
        world.pass_time(hours=25)
        assert await world.tick() == 200

    await world.finish()

    job = await world.job(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    await assert_promises_kept(world)


async def test_an_output_that_is_gone_for_good_ends_in_a_refund(world: World) -> None:
    """Every attempt's output is a 404 for longer than we wait: the job fails and costs nothing."""
    world.provider.faults.add(RequestFault("GET", "/v1/files/[^/]+", status=404, times=None))
    await world.give("alice", 1)
    job_id = await world.submit("alice")

    for _ in range(3):
        await world.provider.settled()
        assert await world.tick() == 200
        world.pass_time(minutes=31)
        assert await world.tick() == 200

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"], job["attempts"]) == ("failed", "result_missing", 3)
    assert (await world.read("wallets/alice"))["balance"] == 1
    await assert_promises_kept(world)


async def test_a_deletion_that_is_answered_with_nothing_is_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no JSON to read, and the file is gone all the same."""
    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def silent(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        answer = await real(transport, request)
        if request.method != "DELETE":
            return answer
        await answer.aclose()
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=b"")

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", silent)
    await world.give("alice", 1)
    await world.submit("alice")

    await world.finish()

    await assert_promises_kept(world)


async def test_a_deletion_that_a_web_page_answers_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request never reached the provider; no file is left there."""
    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def proxied(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        if request.method != "DELETE":
            return await real(transport, request)
        return httpx2.Response(200, headers={"content-type": "text/html"}, content=b"<html></html>")

    await world.give("alice", 1)
    job_id = await world.submit("alice")
    await world.provider.settled()
    with monkeypatch.context() as patched:
        patched.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", proxied)
        assert await world.tick() == 200
    assert (await world.job(job_id))["status"] == "completed"

    await world.finish()

    await assert_promises_kept(world)


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("times", [1, 6])
async def test_a_download_is_resumed_where_it_was_cut(world: World, clean: bool, times: int) -> None:
    """However often it is cut, with an error or without one, every byte of it arrives once, in one tick."""
    await world.give("alice", 4)
    for _ in range(4):
        await world.write("alice")
    world.pass_time(seconds=121)
    assert await world.tick() == 200
    await world.provider.settled()
    output = next(file for file in world.provider.files.values() if file.purpose == "batch_output")
    # Longer than what is read at once: of what is cut before that, nothing has arrived.
    content = b"".join(b'{"number": "%0200d"}\n' % number for number in range(15_000)) + output.path.read_bytes()
    output.path.write_bytes(content)
    output.bytes = len(content)
    world.provider.faults.add(
        RequestFault("GET", "/v1/files/.*/content", truncate_at=300_000, clean=clean, times=times)
    )

    assert await world.tick() == 200

    batch_id = (await world.batches())[0]["id"]
    ours = (await world.artifact(batch_id, "output.jsonl")).splitlines()
    assert ours[:-4] == [b"{}"] * 15_000, "a line for a line, and none of them twice"
    assert {json.loads(line)["jobId"] for line in ours[-4:]} == set(await world.jobs())
    assert {(job["status"], job["attempts"]) for job in (await world.jobs()).values()} == {("completed", 1)}
    assert not world.provider.faults.pending
    await assert_promises_kept(world)


def replace_output(monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]) -> None:
    """Answer every download with something else."""
    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def replaced(transport: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/content"):
            return await real(transport, request)
        return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(b"<html>We will be back soon.</html>"))

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", replaced)
