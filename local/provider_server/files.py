"""The files that were uploaded or written, kept on disk.

Contents never pass through memory as a whole: uploads are copied to disk in chunks by a thread, results are
written line by line to a path that becomes a file when it is complete, and downloads are streamed from the
path.
"""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from local.provider_server.errors import ApiError, JsonObject

UPLOAD_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
# The API reference: files with purpose "batch" expire after 30 days, all others stay until they are deleted.
BATCH_FILE_SECONDS = 30 * 24 * 3600
COPY_BYTES = 1 << 20


@dataclass(kw_only=True)
class StoredFile:
    """One file, with the API's field names; `path` and `hidden_reads` are the server's own."""

    id: str
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    path: Path
    status: str = "processed"
    # So many reads still answer 404, as when a file is not visible right after its upload.
    hidden_reads: int = 0

    def as_json(self) -> JsonObject:
        """The API's file object."""
        answer: JsonObject = {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": self.status,
        }
        if self.expires_at is not None:
            answer["expires_at"] = self.expires_at
        return answer


class FileStore:
    """All files by id, oldest first, over one temporary directory."""

    def __init__(self, now: Callable[[], float]) -> None:
        # What the ids of files begin with.
        self.prefix = "file-"
        self._now = now
        self._directory = tempfile.TemporaryDirectory(prefix="provider-server-")
        self._files: dict[str, StoredFile] = {}

    @property
    def view(self) -> Mapping[str, StoredFile]:
        """The files as they are now, read-only."""
        return MappingProxyType(self._files)

    def new_path(self) -> Path:
        """A path of its own in the directory; nothing is there yet."""
        return Path(self._directory.name) / secrets.token_hex(12)

    async def save(
        self,
        source: BinaryIO,
        *,
        filename: str,
        purpose: str,
        expires_after_seconds: int | None,
        hidden_reads: int,
    ) -> StoredFile:
        """Copy an upload to disk and store it."""
        path = self.new_path()
        await asyncio.to_thread(_copy, source, path)
        if expires_after_seconds is None and purpose == "batch":
            expires_after_seconds = BATCH_FILE_SECONDS
        stored = self.adopt(path, filename=filename, purpose=purpose, expires_after_seconds=expires_after_seconds)
        stored.hidden_reads = hidden_reads
        return stored

    def adopt(
        self,
        path: Path,
        *,
        filename: str,
        purpose: str,
        expires_after_seconds: int | None,
    ) -> StoredFile:
        """Store what is already complete at `path`."""
        now = int(self._now())
        stored = StoredFile(
            id=f"{self.prefix}{secrets.token_hex(12)}",
            bytes=path.stat().st_size,
            created_at=now,
            expires_at=None if expires_after_seconds is None else now + expires_after_seconds,
            filename=filename,
            purpose=purpose,
            path=path,
        )
        self._files[stored.id] = stored
        return stored

    def get(self, file_id: str) -> StoredFile:
        """Return a file that a client asks for; 404 if it is unknown, expired or still hidden."""
        stored = self._files.get(file_id)
        if stored is not None and stored.expires_at is not None and stored.expires_at <= self._now():
            self._remove(stored)
            stored = None
        if stored is not None and stored.hidden_reads > 0:
            stored.hidden_reads -= 1
            stored = None
        if stored is None:
            raise ApiError(404, f"No such File object: {file_id}", param="id")
        return stored

    def listing(self, purpose: str | None, order: str) -> list[StoredFile]:
        """The files of a purpose (or all) that this listing shows, newest first unless `order` is `asc`."""
        found = []
        for stored in self._files.values():
            if stored.hidden_reads > 0:
                stored.hidden_reads -= 1
            elif purpose in (None, stored.purpose):
                found.append(stored)
        return found if order == "asc" else found[::-1]

    def delete(self, file_id: str) -> None:
        """Forget a file and remove its content; a download under way still completes."""
        self._remove(self.get(file_id))

    def _remove(self, stored: StoredFile) -> None:
        del self._files[stored.id]
        stored.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the directory with everything in it."""
        self._directory.cleanup()


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("wb") as target:
        shutil.copyfileobj(source, target, COPY_BYTES)
