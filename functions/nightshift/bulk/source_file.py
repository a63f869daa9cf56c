"""The file that a bulk job is read from: the user's own upload, one generation of it, streamed from a byte on."""

import asyncio
from collections.abc import AsyncIterator

from google.api_core.exceptions import NotFound

from nightshift import storage
from nightshift.bulk.bulk_job import SourceRequest
from nightshift.bulk.source.row import MAX_SOURCE_BYTES
from nightshift.errors import JobRefused
from nightshift.images.image_uri import own_object
from nightshift.runtime import Runtime
from nightshift.values.texts import Text


async def check(runtime: Runtime, user_id: str, source: SourceRequest) -> int:
    """Check that a user may name this file; returns the generation that is read from now on.

    Raises:
        JobRefused: it is not the user's own, does not exist, or is too large.
        TryLater: Cloud Storage did not answer.
    """
    blob = runtime.uploads.blob(name_of(runtime, user_id, source.uri))
    try:
        with storage.translated_errors():
            await asyncio.to_thread(blob.reload)
    except NotFound:
        raise _missing() from None
    if int(blob.size or 0) > MAX_SOURCE_BYTES:
        most = MAX_SOURCE_BYTES // (1024 * 1024)
        raise JobRefused("invalid_input", Text.TABLE_TOO_LARGE.say(megabytes=most))
    if blob.content_encoding not in {None, "", "identity"}:
        raise JobRefused("invalid_input", Text.TABLE_ENCODED.say(), "the upload has a contentEncoding")
    return int(blob.generation)


async def chunks(
    runtime: Runtime, user_id: str, source: SourceRequest, generation: int | None, start: int
) -> AsyncIterator[bytes]:
    """The bytes of that generation from `start` on. Raises JobRefused if it is gone, and TryLater."""
    blob = runtime.uploads.blob(name_of(runtime, user_id, source.uri), generation=generation)
    try:
        async for chunk in storage.stream(blob, start):
            yield chunk
    except NotFound:
        raise _missing() from None


async def content_type(runtime: Runtime, user_id: str, source: SourceRequest) -> str | None:
    """What the upload says that it is. Raises as `check`."""
    blob = runtime.uploads.blob(name_of(runtime, user_id, source.uri))
    try:
        with storage.translated_errors():
            await asyncio.to_thread(blob.reload)
    except NotFound:
        raise _missing() from None
    found: str | None = blob.content_type
    return found


def name_of(runtime: Runtime, user_id: str, uri: str) -> str:
    """The name of the user's own object that a source names. Raises JobRefused."""
    folder = f"users/{user_id}/bulk/"
    try:
        name = own_object(uri, runtime.settings.uploads_bucket, user_id)
    except JobRefused:
        name = ""
    if not name.startswith(folder):
        raise JobRefused("invalid_input", Text.TABLE_NOT_OWN.say(), "the source is no upload below users/{uid}/bulk/")
    return name


def _missing() -> JobRefused:
    return JobRefused("invalid_input", Text.TABLE_MISSING.say())
