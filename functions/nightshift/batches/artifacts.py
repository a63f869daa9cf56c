"""A batch's files in Cloud Storage: `batches/{batchId}/input.jsonl`, `output.jsonl`, `errors.jsonl`.

The storage client is synchronous, so each of its calls runs in a thread. Everything is streamed: memory holds
one chunk, and of a line at most `MAX_LINE_BYTES`. An object appears when its writer is closed; a writer that is
left in the middle leaves nothing.
"""

import asyncio
import io
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from typing import IO, Any, Final, Literal

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.fileio import BlobWriter
from requests import RequestException

from nightshift.batches.cutting import ByteRange, ResultFile
from nightshift.errors import TryLater
from nightshift.runtime import Runtime
from nightshift.values.lines import MAX_LINE_BYTES, LineSplitter

Name = Literal["input"] | ResultFile
_NAMES: Final[tuple[Name, ...]] = ("input", "output", "errors")

# What reading an object raises if it is not there.
Missing: Final = NotFound
# A multiple of 256 KiB, as resumable uploads want it: https://cloud.google.com/storage/docs/resumable-uploads
_CHUNK_BYTES: Final = 1024 * 1024


async def write(runtime: Runtime, batch_id: str, name: Name, chunks: AsyncIterable[bytes]) -> None:
    """Write an object, whole or not at all."""
    blob = runtime.artifacts.blob(_path(batch_id, name))
    writer: BlobWriter = blob.open("wb", chunk_size=_CHUNK_BYTES, ignore_flush=True, content_type="application/jsonl")
    gathered = bytearray()
    try:
        async for chunk in chunks:
            gathered += chunk
            if len(gathered) >= _CHUNK_BYTES:
                await asyncio.to_thread(writer.write, bytes(gathered))
                gathered.clear()
        await asyncio.to_thread(writer.write, bytes(gathered))
    except BaseException:
        # What was sent so far is taken back; if that fails, it expires unseen within a week.
        with suppress(Exception):
            await asyncio.to_thread(writer.terminate)
        raise
    await asyncio.to_thread(writer.close)


async def open_to_read(runtime: Runtime, batch_id: str, name: Name) -> IO[bytes]:
    """The object as a file that is fetched chunk by chunk as it is read."""
    blob = runtime.artifacts.blob(_path(batch_id, name))
    await asyncio.to_thread(blob.reload)
    # Of an empty object no range can be asked for.
    reader: Any = blob.open("rb", chunk_size=_CHUNK_BYTES) if blob.size else io.BytesIO()
    return reader  # type: ignore[no-any-return]


async def lines(
    runtime: Runtime, batch_id: str, name: Name, byte_range: ByteRange, most: int
) -> AsyncIterator[list[bytes | None]]:
    """The lines of a byte_range, up to `most` and some MAX_LINE_BYTES at a time; None is one longer than that."""
    splitter = LineSplitter()
    gathered: list[bytes | None] = []
    gathered_bytes = 0
    async for chunk in _chunks(runtime, batch_id, name, byte_range):
        for line in splitter.feed(chunk):
            gathered.append(line)
            gathered_bytes += len(line or b"")
            if len(gathered) >= most or gathered_bytes >= MAX_LINE_BYTES:
                yield gathered
                gathered, gathered_bytes = [], 0
    gathered += splitter.end()
    if gathered:
        yield gathered


async def delete_all(runtime: Runtime, batch_id: str) -> list[str]:
    """Delete a batch's files; returns the paths of those that there were. Raises TryLater."""

    def delete(path: str) -> bool:
        try:
            runtime.artifacts.blob(path).delete()
        except NotFound:
            return False
        except (GoogleAPIError, GoogleAuthError, RequestException) as error:
            raise TryLater(f"Cloud Storage did not answer: {type(error).__name__}") from error
        return True

    paths = [_path(batch_id, name) for name in _NAMES]
    return [path for path in paths if await asyncio.to_thread(delete, path)]


async def _chunks(runtime: Runtime, batch_id: str, name: Name, byte_range: ByteRange) -> AsyncIterator[bytes]:
    reader = await open_to_read(runtime, batch_id, name)
    await asyncio.to_thread(reader.seek, byte_range.start)
    left = byte_range.end - byte_range.start
    while left and (chunk := await asyncio.to_thread(reader.read, min(left, _CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk


def _path(batch_id: str, name: Name) -> str:
    return f"batches/{batch_id}/{name}.jsonl"
