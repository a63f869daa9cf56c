"""A batch's files in Cloud Storage: `batches/{batchId}/input.jsonl`, `output.jsonl`, `errors.jsonl`."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import IO, Final, Literal

from google.api_core.exceptions import NotFound

from nightshift import storage
from nightshift.batches.cutting import ByteRange, ResultFile
from nightshift.runtime import Runtime

Name = Literal["input"] | ResultFile
_NAMES: Final[tuple[Name, ...]] = ("input", "output", "errors")


# What reading an object raises if it is not there.
Missing: Final = NotFound


async def write(runtime: Runtime, batch_id: str, name: Name, chunks: AsyncIterable[bytes]) -> None:
    """Write an object, whole or not at all. Raises TryLater."""
    await storage.write(runtime, path_of(batch_id, name), chunks)


async def open_to_read(runtime: Runtime, batch_id: str, name: Name) -> IO[bytes]:
    """The object as a file that is fetched chunk by chunk as it is read. Raises NotFound and TryLater."""
    return await storage.open_to_read(runtime, path_of(batch_id, name))


def lines(
    runtime: Runtime, batch_id: str, name: Name, byte_range: ByteRange, most: int
) -> AsyncIterator[list[bytes | None]]:
    """The lines of a byte_range, up to `most` and some MAX_LINE_BYTES at a time; None is one longer than that."""
    return storage.lines(runtime, path_of(batch_id, name), most, byte_range.start, byte_range.end)


async def delete_all(runtime: Runtime, batch_id: str) -> list[str]:
    """Delete a batch's files; returns the paths of those that there were. Raises TryLater."""
    paths = [path_of(batch_id, name) for name in _NAMES]
    return [path for path in paths if await storage.delete(runtime, path)]


def path_of(batch_id: str, name: Name) -> str:
    """Where one of a batch's files lies."""
    return f"batches/{batch_id}/{name}.jsonl"
