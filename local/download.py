"""Fetches one published file, whole or not at all.

The bytes go to a `.part` file beside the goal and take its name only when their number and checksum are
right: an interrupted or falsified download never looks like a finished one. The part's name carries the
process id, so that two commands started at once do not write into each other.
"""

import asyncio
import hashlib
import os
from pathlib import Path

import httpx

from local.errors import StackError

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


async def download(url: str, goal: Path, *, size_bytes: int, sha256: str) -> None:
    """Fetch `url` to `goal`.

    Raises StackError if the server does not deliver exactly the bytes that were published.
    """
    goal.parent.mkdir(parents=True, exist_ok=True)
    part = goal.with_name(f"{goal.name}.{os.getpid()}.part")
    try:
        received_bytes, digest = await _stream(url, part)
        if (received_bytes, digest) != (size_bytes, sha256):
            raise StackError(
                f"{url} sent {received_bytes} bytes with SHA-256 {digest} instead of {size_bytes} bytes with {sha256}."
            )
        part.replace(goal)
    finally:
        part.unlink(missing_ok=True)


async def _stream(url: str, part: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    sink = await asyncio.to_thread(part.open, "wb")
    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=True) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            async for chunk in response.aiter_bytes(1 << 20):
                digest.update(chunk)
                sink.write(chunk)
        return sink.tell(), digest.hexdigest()
    except httpx.HTTPStatusError as error:
        raise StackError(f"{url} answered {error.response.status_code}.") from error
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise StackError(f"{url} could not be read to its end ({reason}).") from error
    finally:
        sink.close()
