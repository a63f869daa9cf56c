"""Callers who never come to an end, over real sockets against the real function: none of them holds a connection."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from local.openai_server.webhooks import new_secret, signed_headers
from local.ports import free_ports
from tests.support.patience import PATIENCE_SECONDS, patience
from tests.support.processes import answers, clean_environment, start_function

# One instance reads a hundred bodies at once.
_AT_ONCE = 100


@asynccontextmanager
async def serving(target: str) -> AsyncIterator[int]:
    """A function in a process of its own; yields its port."""
    port = free_ports(1)[0]
    environment = {
        **clean_environment(),
        "GOOGLE_CLOUD_PROJECT": "a-project",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_WEBHOOK_SECRET": new_secret(),
        "NIGHTSHIFT_STATS_PUBLIC": "true",
    }
    function = await start_function(target, port, environment)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client:
            await answers(client, f"http://127.0.0.1:{port}/robots.txt")
        yield port
    finally:
        function.terminate()
        await function.wait()


async def drip(port: int, method: str, headers: dict[str, str]) -> int:
    """Announce a body and send a byte of it each half second, an hour and more; returns the status.

    It comes when the other side has hung up.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = {"host": "function", "content-type": "application/json", "content-length": "10000", **headers}
    lines = [f"{method} / HTTP/1.1", *(f"{name}: {text}" for name, text in head.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = asyncio.create_task(_heard(reader))
    while not answer.done():
        writer.write(b" ")
        await asyncio.wait([answer], timeout=0.5)
    status = int((await answer).split()[1])
    writer.close()
    return status


async def _heard(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side hangs up, however it does so."""
    heard = b""
    with suppress(ConnectionError):
        while piece := await reader.read(4096):
            heard += piece
    return heard


def fresh(age_seconds: float = 0) -> dict[str, str]:
    """The headers of a forged event, as old as this."""
    headers = signed_headers(new_secret(), "wh_one", b"", int(time.time() - age_seconds))
    return {name: text for name, text in headers.items() if name.startswith("webhook-")}


async def test_slow_bodies_end_in_time_and_unproven_ones_are_not_read() -> None:
    """Without fresh signature headers 401 at once; with them 408 after ten seconds in all, and 503 beyond a hundred."""
    async with serving("openai_webhook") as port:
        unproven = [{}, fresh(310), fresh(-310)]
        unproven += [{name: text for name, text in fresh().items() if name != left_out} for left_out in fresh()]
        unproven += [fresh() | {"webhook-timestamp": odd} for odd in ("soon", "-1", "9" * 5000, "1e9")]
        refused = await asyncio.gather(*(drip(port, "POST", headers) for headers in unproven))
        # What is read for its time ends in 408.
        assert set(refused) == {401}

        others = await asyncio.gather(drip(port, "GET", {}), drip(port, "POST", {"content-type": "text/html"}))
        assert list(others) == [405, 415]

        async with patience():
            slow = [asyncio.create_task(drip(port, "POST", fresh())) for _ in range(_AT_ONCE + 10)]
            statuses = await asyncio.gather(*slow)

    assert (statuses.count(408), statuses.count(503)) == (_AT_ONCE, 10)


async def test_the_statistics_wait_for_no_body_either() -> None:
    """A question has none: the first byte of one is refused, and one that never begins ends in ten seconds."""
    async with serving("get_batch_stats") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: function\r\ncontent-length: 5\r\n\r\n")
        async with patience():
            status = int((await _heard(reader)).split()[1])
        writer.close()

        assert status == 408
        assert await drip(port, "GET", {}) == 413
