"""The app's user, as the demo plays it."""

import asyncio
from types import SimpleNamespace
from typing import cast

import httpx

from local.app_user import AppUser
from local.stack import Stack
from tests.support.patience import PATIENCE_SECONDS


async def test_an_upload_that_breaks_off_is_begun_again() -> None:
    """The first connection is reset, the second one takes the image."""
    taken: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.readuntil(b"\r\n\r\n"))
        if len(taken) == 1:
            writer.transport.abort()
            return
        taken[-1] += await reader.readuntil(b"--0123456789abcdef--")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        storage_host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        stack = SimpleNamespace(
            app_storage_host=storage_host,
            buckets=("b", "uploads"),
            project="p",
            firestore_host="",
            function_urls={},
        )
        user = AppUser(client, cast("Stack", stack), "alice")

        assert await user.upload("a.png", b"png") == "gs://uploads/users/alice/a.png"

    assert len(taken) == 2
    assert b"\r\npng\r\n" in taken[1]
