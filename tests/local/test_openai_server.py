"""Keys, routes and files of the OpenAI-compatible server, through the official SDK over a real socket."""

import json
from pathlib import Path

import openai
import pytest

from local.openai_server import OpenAIServer
from tests.local.test_openai_server_rig import KEY, check_answer, jsonl, request_line, rig


async def test_a_request_without_a_key_is_refused() -> None:
    """Every route under /v1 answers 401 in OpenAI's shape before it looks at anything else."""
    async with rig() as running:
        for method, path in (("GET", "/files"), ("POST", "/batches"), ("GET", "/nothing")):
            refused = await running.raw.request(method, path, headers={"authorization": ""})
            check_answer(method, path, refused.status_code, refused.json())
            assert refused.status_code == 401


async def test_a_wrong_key_is_refused_with_its_code() -> None:
    """The SDK raises AuthenticationError, with the code that OpenAI gives."""
    async with rig() as running:
        with pytest.raises(openai.AuthenticationError) as refused:
            await running.client.with_options(api_key="another").files.list()
        assert refused.value.code == "invalid_api_key"


async def test_without_a_configured_key_any_key_will_do() -> None:
    """api_key=None checks that there is a key, not which."""
    async with rig(OpenAIServer()) as running:
        await running.client.with_options(api_key="whatever").files.list()
        assert (await running.raw.get("/files", headers={"authorization": "Bearer"})).status_code == 401


async def test_an_unknown_route_is_404_and_a_wrong_method_405_in_the_error_shape() -> None:
    """What does not exist is refused as the API refuses it."""
    async with rig() as running:
        for method, path, status in (
            ("GET", "/nothing", 404),
            ("PUT", "/files", 405),
            ("GET", "/chat/completions", 405),
        ):
            refused = await running.raw.request(method, path)
            assert refused.status_code == status
            check_answer(method, path, refused.status_code, refused.json())


async def test_an_upload_comes_back_as_it_was_sent() -> None:
    """Bytes, name, purpose and expiry are kept; a batch file expires after 30 days."""
    content = b'{"a": "\xe2\x80\xa8"}\r\n\x00'
    async with rig() as running:
        stored = await running.client.files.create(file=("b1.jsonl", content), purpose="batch")
        assert (stored.filename, stored.bytes, stored.purpose) == ("b1.jsonl", len(content), "batch")
        assert stored.expires_at == stored.created_at + 30 * 24 * 3600
        assert await running.client.files.retrieve(stored.id) == stored
        assert (await running.client.files.content(stored.id)).content == content


async def test_an_upload_can_set_its_own_expiry() -> None:
    """The two form fields of expires_after reach the file object."""
    async with rig() as running:
        stored = await running.client.files.create(
            file=("x.txt", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
        )
        assert stored.expires_at == stored.created_at + 3600
        unlimited = await running.client.files.create(file=("x.txt", b"x"), purpose="user_data")
        assert unlimited.expires_at is None


async def test_a_wrong_upload_is_refused() -> None:
    """Unknown purposes and fields, a missing file, a bad expiry, another suffix and too many bytes are 400s."""
    file = {"file": ("x.jsonl", b"x")}
    async with rig(OpenAIServer(api_key=KEY, max_batch_bytes=10)) as running:
        for form, files, param in (
            ({"purpose": "leisure"}, file, "purpose"),
            ({}, file, "purpose"),
            ({"purpose": "batch", "colour": "red"}, file, "colour"),
            ({"purpose": "batch"}, {"attachment": ("x.jsonl", b"x")}, "attachment"),
            ({"purpose": "batch", "expires_after[anchor]": "created_at"}, file, "expires_after.seconds"),
            ({"purpose": "batch", "expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, file, "anchor"),
            (
                {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "60"},
                file,
                "expires_after.seconds",
            ),
            ({"purpose": "batch"}, {"file": ("x.txt", b"x")}, "file"),
            ({"purpose": "batch"}, {"file": ("x.jsonl", b"x" * 11)}, "file"),
        ):
            refused = await running.raw.post("/files", data=form, files=files)
            check_answer("POST", "/v1/files", refused.status_code, refused.json())
            assert refused.status_code == 400, form
            assert refused.json()["error"]["param"] == param
        no_file = await running.raw.post("/files", data={"purpose": "batch"}, files={"purpose": (None, "batch")})
        assert no_file.status_code == 400
        no_form = await running.raw.post("/files", json={"purpose": "batch"})
        assert no_form.status_code == 400
        assert not running.server.files


async def test_files_are_listed_by_purpose_order_and_cursor() -> None:
    """The SDK's pagination sees each file once, newest first or oldest first."""
    async with rig() as running:
        ids = [await running.upload(b"{}") for _ in range(5)]
        other = await running.client.files.create(file=("x.txt", b"x"), purpose="user_data")
        assert [found.id async for found in running.client.files.list(purpose="batch", limit=2)] == ids[::-1]
        assert [found.id async for found in running.client.files.list(order="asc", limit=4)] == [*ids, other.id]
        first = await running.client.files.list(purpose="batch", limit=2)
        assert first.has_more
        assert not (await running.client.files.list(purpose="fine-tune")).data


async def test_a_wrong_listing_is_refused() -> None:
    """Limits out of range, an unknown order and an unknown cursor are 400s."""
    async with rig() as running:
        for query in ("limit=0", "limit=x", "limit=10001", "order=random", "after=file-none"):
            refused = await running.raw.get(f"/files?{query}")
            check_answer("GET", "/v1/files", refused.status_code, refused.json())
            assert refused.status_code == 400, query


async def test_a_range_of_a_content_is_206() -> None:
    """A client that was cut off resumes where it was; beyond the end is 416."""
    async with rig() as running:
        file_id = await running.upload(bytes(range(100)))
        part = await running.client.files.with_raw_response.content(file_id, extra_headers={"Range": "bytes=60-"})
        assert part.status_code == 206
        assert part.content == bytes(range(60, 100))
        assert part.headers["content-range"] == "bytes 60-99/100"
        beyond = await running.raw.get(f"/files/{file_id}/content", headers={"range": "bytes=200-"})
        assert beyond.status_code == 416


async def test_a_content_is_streamed_with_its_length() -> None:
    """A large file arrives in pieces that add up to the announced Content-Length."""
    async with rig() as running:
        file_id = await running.upload(b"x" * 3_000_000)
        async with running.client.files.with_streaming_response.content(file_id) as response:
            assert response.headers["content-length"] == "3000000"
            sizes = [len(chunk) async for chunk in response.iter_bytes()]
        assert sum(sizes) == 3_000_000
        assert max(sizes) < 300_000


async def test_a_deleted_file_is_gone() -> None:
    """Deleting answers as published, removes the content from disk, and everything after is 404."""
    async with rig() as running:
        file_id = await running.upload(b"{}")
        path = running.server.files[file_id].path
        assert path.exists()
        assert (await running.client.files.delete(file_id)).deleted
        assert not path.exists()
        for call in (running.client.files.retrieve, running.client.files.content, running.client.files.delete):
            with pytest.raises(openai.NotFoundError):
                await call(file_id)


async def test_closing_removes_every_file_from_disk() -> None:
    """The temporary directory lives as long as the server."""
    async with rig() as running:
        await running.run(request_line("a"))
        paths = [stored.path for stored in running.server.files.values()]
        assert len(paths) == 2
        directory = Path(paths[0]).parent
        assert all(path.exists() for path in paths)
    assert not directory.exists()


async def test_every_request_is_recorded_with_its_status() -> None:
    """server.calls has method, path and status in the order of arrival."""
    async with rig() as running:
        await running.client.files.list()
        with pytest.raises(openai.NotFoundError):
            await running.client.batches.retrieve("batch_none")
        assert [(call.method, call.path, call.status) for call in running.server.calls] == [
            ("GET", "/v1/files", 200),
            ("GET", "/v1/batches/batch_none", 404),
        ]


async def test_a_body_that_is_not_json_is_refused() -> None:
    """Both JSON endpoints answer 400 to a broken body and to an array."""
    async with rig() as running:
        for path in ("/batches", "/chat/completions"):
            for content in (b"{", b"[]", b"\xff", b"[" * 100_000):
                refused = await running.raw.post(path, content=content)
                check_answer("POST", f"/v1{path}", refused.status_code, refused.json())
                assert refused.status_code == 400


async def test_an_input_larger_than_memory_chunks_is_answered_line_by_line() -> None:
    """A file of several megabytes goes through upload, validation, answers and download unharmed."""
    async with rig() as running:
        content = jsonl(*[request_line(f"r{number}", "x" * 10_000) for number in range(300)])
        input_file_id = await running.upload(content)
        batch = await running.client.batches.create(
            input_file_id=input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        batch = await running.settle(batch)
        assert batch.output_file_id
        output = running.server.files[batch.output_file_id].path.read_bytes()
        assert [json.loads(line)["custom_id"] for line in output.split(b"\n")[:-1]] == [f"r{n}" for n in range(300)]
