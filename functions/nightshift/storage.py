"""Objects in Cloud Storage, streamed in both directions.

The storage client is synchronous, so each of its calls runs in a thread. Memory holds two chunks, and of a line at most
`MAX_LINE_BYTES`. An object appears when its writer is closed; a writer that is left in the middle leaves nothing.
"""

import asyncio
import io
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
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


class ObjectWriter:
    """Writes one object. Of up to CHUNK_BYTES it takes one request; of more, a resumable upload.

    One chunk is on its way while the next is gathered, so the reader of a source does not wait for Cloud Storage. What
    a chunk met is raised by the next call.
    """

    def __init__(self, blob: Any, content_type: str) -> None:
        self._blob = blob
        self._content_type = content_type
        self._gathered = bytearray()
        self._upload: BlobWriter | None = None
        self._sending: asyncio.Task[None] | None = None

    async def write(self, content: bytes) -> None:
        """Take the next bytes. Raises TryLater."""
        self._gathered += content
        if len(self._gathered) >= CHUNK_BYTES:
            await self._sent()
            chunk = bytes(self._gathered)
            self._gathered.clear()
            self._sending = asyncio.create_task(self._send(chunk))

    async def close(self) -> None:
        """Let the object appear. Raises TryLater."""
        await self._sent()
        rest = bytes(self._gathered)
        if self._upload is None:
            with translated_errors():
                await asyncio.to_thread(self._blob.upload_from_string, rest, self._content_type)
            return
        await self._send(rest)
        with translated_errors():
            await asyncio.to_thread(self._upload.close)

    async def abandon(self) -> None:
        """Take back what was sent so far. If that fails, it expires unseen within a week."""
        with suppress(Exception):
            await self._sent()
        if self._upload:
            with suppress(Exception):
                await asyncio.to_thread(self._upload.terminate)

    async def _sent(self) -> None:
        """Wait for the chunk that is on its way. Raises TryLater."""
        if self._sending:
            sending, self._sending = self._sending, None
            await sending

    async def _send(self, chunk: bytes) -> None:
        with translated_errors():
            if self._upload is None:
                self._upload = self._blob.open(
                    "wb", chunk_size=CHUNK_BYTES, ignore_flush=True, content_type=self._content_type
                )
            await asyncio.to_thread(self._upload.write, chunk)


@asynccontextmanager
async def writing(runtime: Runtime, path: str, content_type: str = "application/jsonl") -> AsyncIterator[ObjectWriter]:
    """A writer of an object of our bucket, which appears whole or, if an error is raised, not at all.

    Raises TryLater.
    """
    writer = ObjectWriter(runtime.artifacts.blob(path), content_type)
    try:
        yield writer
    except BaseException:
        await writer.abandon()
        raise
    await writer.close()


async def write(
    runtime: Runtime, path: str, chunks: AsyncIterable[bytes], content_type: str = "application/jsonl"
) -> None:
    """Write an object of our bucket, whole or not at all. Raises TryLater."""
    async with writing(runtime, path, content_type) as writer:
        async for chunk in chunks:
            await writer.write(chunk)


async def names(runtime: Runtime, folder: str) -> set[str]:
    """The names of the objects in a folder of our bucket, without the folder's. Raises TryLater."""

    def listed() -> set[str]:
        with translated_errors():
            return {blob.name.removeprefix(folder) for blob in runtime.artifacts.list_blobs(prefix=folder)}

    return await asyncio.to_thread(listed)


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
    async for chunk in stream(runtime.artifacts.blob(path), start, end):
        yield chunk


async def stream(blob: Any, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """The same of a blob. It is one content of the object, also if another one is written meanwhile."""
    with translated_errors():
        # Its size: so nothing is asked for behind its end. Its generation: so all chunks are of one content.
        await asyncio.to_thread(blob.reload)
    behind = blob.size if end is None else min(end, blob.size)
    while start < behind:
        last = min(start + CHUNK_BYTES, behind) - 1
        with translated_errors():
            # A checksum is known of the whole object only.
            chunk = await asyncio.to_thread(blob.download_as_bytes, start=start, end=last, checksum=None)
        if not chunk:
            raise TryLater("Cloud Storage sent nothing of a range")
        start += len(chunk)
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
