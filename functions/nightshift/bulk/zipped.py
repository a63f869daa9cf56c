"""Files of Cloud Storage as one ZIP archive, streamed: memory holds a chunk, whatever their size."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nightshift import storage
from nightshift.runtime import Runtime

# Of texts like these, higher ones save some percent and take twice the time.
_COMPRESSION: Final = 1


async def zipped(runtime: Runtime, paths: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The bytes of an archive of objects of our bucket. Raises NotFound and TryLater.

    Args:
        paths: of each name in the archive, the object's path.
    """
    passed_on = _PassedOn()
    archive = zipfile.ZipFile(passed_on, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION)
    for name, path in paths.items():
        info = zipfile.ZipInfo(name, _time(runtime.now()))
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=True) as entry:
            async for chunk in storage.chunks(runtime, path):
                await asyncio.to_thread(entry.write, chunk)
                yield passed_on.take()
    archive.close()
    yield passed_on.take()


def _time(now: datetime) -> tuple[int, int, int, int, int, int]:
    utc = now.astimezone(UTC)
    return utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second


class _PassedOn(io.RawIOBase):
    """A file that can only be written on, and keeps nothing that was taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: Any, /) -> int:
        """Take some bytes in."""
        self._written += content
        return len(content)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._written)
        self._written.clear()
        return taken
