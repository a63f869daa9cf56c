"""Objects in Cloud Storage, streamed in both directions.

The storage client is synchronous, so each of its calls runs in a thread. Memory holds one chunk, and of a line at most
`MAX_LINE_BYTES`. An object appears when its writer is closed; a writer that is left in the middle leaves nothing.
"""

import asyncio
import io
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.fileio import BlobWriter
from requests import RequestException

from nightshift.errors import TryLater
from nightshift.runtime import Runtime
from nightshift.values.lines import MAX_LINE_BYTES, LineSplitter

# A multiple of 256 KiB, as resumable uploads want it: https://cloud.google.com/storage/docs/resumable-uploads
CHUNK_BYTES: Final = 1024 * 1024


async def write(
    runtime: Runtime, path: str, chunks: AsyncIterable[bytes], content_type: str = "application/jsonl"
) -> None:
    """Write an object of our bucket, whole or not at all. Raises TryLater."""
    blob = runtime.artifacts.blob(path)
    with translated_errors():
        writer: BlobWriter = blob.open("wb", chunk_size=CHUNK_BYTES, ignore_flush=True, content_type=content_type)
    gathered = bytearray()
    try:
        async for chunk in chunks:
            gathered += chunk
            if len(gathered) >= CHUNK_BYTES:
                with translated_errors():
                    await asyncio.to_thread(writer.write, bytes(gathered))
                gathered.clear()
        with translated_errors():
            await asyncio.to_thread(writer.write, bytes(gathered))
    except BaseException:
        # What was sent so far is taken back; if that fails, it expires unseen within a week.
        with suppress(Exception):
            await asyncio.to_thread(writer.terminate)
        raise
    with translated_errors():
        await asyncio.to_thread(writer.close)


async def open_to_read(runtime: Runtime, path: str) -> IO[bytes]:
    """An object of our bucket as a file that is fetched chunk by chunk as it is read. Raises NotFound and TryLater."""
    blob = runtime.artifacts.blob(path)
    with translated_errors():
        await asyncio.to_thread(blob.reload)
    # Of an empty object no range can be asked for.
    reader: Any = blob.open("rb", chunk_size=CHUNK_BYTES) if blob.size else io.BytesIO()
    return reader  # type: ignore[no-any-return]


async def chunks(runtime: Runtime, path: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """The bytes of an object from `start` up to `end`, or to its end, chunk by chunk. Raises NotFound and TryLater."""
    reader = await open_to_read(runtime, path)
    await asyncio.to_thread(reader.seek, start)
    left = CHUNK_BYTES if end is None else end - start
    while left:
        with translated_errors():
            chunk = await asyncio.to_thread(reader.read, min(left, CHUNK_BYTES))
        if not chunk:
            return
        if end is not None:
            left -= len(chunk)
        yield chunk


async def lines(
    runtime: Runtime, path: str, most: int, start: int = 0, end: int | None = None
) -> AsyncIterator[list[bytes | None]]:
    """The lines of an object, up to `most` and some MAX_LINE_BYTES at a time; None is one longer than that.

    Raises:
        NotFound: there is no such object.
        TryLater: Cloud Storage did not answer.
    """
    splitter = LineSplitter()
    gathered: list[bytes | None] = []
    gathered_bytes = 0
    async for chunk in chunks(runtime, path, start, end):
        for line in splitter.feed(chunk):
            gathered.append(line)
            gathered_bytes += len(line or b"")
            if len(gathered) >= most or gathered_bytes >= MAX_LINE_BYTES:
                yield gathered
                gathered, gathered_bytes = [], 0
    gathered += splitter.end()
    if gathered:
        yield gathered


async def delete(runtime: Runtime, path: str) -> bool:
    """Delete an object of our bucket. Returns False if there was none. Raises TryLater."""
    try:
        with translated_errors():
            await asyncio.to_thread(runtime.artifacts.blob(path).delete)
    except NotFound:
        return False
    return True


async def delete_below(runtime: Runtime, prefix: str) -> int:
    """Delete all objects of our bucket below a prefix; returns how many there were. Raises TryLater."""
    with translated_errors():
        names = await asyncio.to_thread(lambda: [blob.name for blob in runtime.artifacts.list_blobs(prefix=prefix)])
    for name in names:
        await delete(runtime, name)
    return len(names)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise TryLater for whatever Cloud Storage's client raises, but for NotFound."""
    try:
        yield
    except NotFound:
        raise
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise TryLater(f"Cloud Storage did not answer: {type(error).__name__}") from error
