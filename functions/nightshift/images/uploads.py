"""The images that the app uploaded: whether a user may name one, and how the provider gets it.

In production the provider fetches an image by a signed address that lasts longer than the batch window. No provider
reaches the storage emulator, so there the image travels inside the request as a data URL.

Nothing here, or anywhere else, fetches an address that a client wrote.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator, Set
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import structlog
from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from requests import RequestException

from nightshift.errors import TryLater
from nightshift.images.formats.portions import HEAD_BYTES, Portions
from nightshift.images.image_format import (
    FIRST_BYTES,
    check_content,
    check_properties,
    check_type,
    media_type,
    second_range,
)
from nightshift.images.image_uri import check_web_address, is_web_address, missing, own_object
from nightshift.images.signing import signed_address
from nightshift.images.video_format import FIRST_VIDEO_BYTES, check_video_properties, video_type
from nightshift.runtime import Runtime
from nightshift.signed_links import signer

log = structlog.get_logger()

# The window is 24 h and begins when the batch is submitted, which may be later than the signing. A batch that takes
# longer than 48 h is cancelled (poll.py). An address that ended too early costs no attempt: the next one is new.
ADDRESS_LIFETIME: Final = timedelta(hours=48)
_DELETED_AT_ONCE: Final = 16


async def check_image(runtime: Runtime, user_id: str, uri: str, image_types: Set[str]) -> int | None:
    """Check that a user may name this image, and that the provider can read it. Of an upload, two portions are read.

    Args:
        image_types: the media types that the provider's models read.

    Returns:
        The generation of the upload that was checked; None for an https address.

    Raises:
        JobRefused: forbidden_image when it is not the user's own; invalid_input when it does not exist or cannot be
        read by the provider, or when an https address is not a plain and public one.
        TryLater: Cloud Storage did not answer.
    """
    return await _checked(runtime, user_id, uri, lambda blob: _checked_generation(blob, image_types))


async def check_video(runtime: Runtime, user_id: str, uri: str) -> int | None:
    """The same for a video. Of an upload, its first bytes are read."""
    return await _checked(runtime, user_id, uri, _checked_video)


async def _checked(runtime: Runtime, user_id: str, uri: str, check: Callable[[Any], int]) -> int | None:
    if is_web_address(uri):
        check_web_address(uri, runtime.settings.image_hosts)
        return None
    _warn_of_the_older_bucket(runtime, uri)
    blob = _own_blob(runtime, user_id, uri)
    with _translated_errors():
        return await asyncio.to_thread(check, blob)


async def image_url(runtime: Runtime, user_id: str, uri: str, generation: int | None) -> str:
    """Where the provider finds an image: its https address, a signed address, or a data URL. Raises as above.

    Args:
        generation: what `check_image` gave. The address leads to that content, or nowhere.
    """
    return await _address(runtime, user_id, uri, generation, _data_url)


async def video_url(runtime: Runtime, user_id: str, uri: str, generation: int | None) -> str:
    """The same for a video."""
    return await _address(runtime, user_id, uri, generation, _video_data_url)


async def _address(
    runtime: Runtime, user_id: str, uri: str, generation: int | None, as_data_url: Callable[[Any], str]
) -> str:
    if is_web_address(uri):
        check_web_address(uri, runtime.settings.image_hosts)
        return uri
    blob = _own_blob(runtime, user_id, uri, generation)
    key, is_emulated = runtime.settings.image_signing_key, runtime.settings.storage_emulator is not None
    if key and not is_emulated:
        return signed_address(
            key, blob.bucket.name, blob.name, generation, now=runtime.now(), lifetime=ADDRESS_LIFETIME
        )
    with _translated_errors():
        return await asyncio.to_thread(as_data_url if is_emulated else _signed_through_iam, blob)


async def has_any(runtime: Runtime, user_id: str) -> bool:
    """Whether anything lies in a user's folder. Raises TryLater."""
    with _translated_errors():
        listed = runtime.uploads.list_blobs(prefix=f"users/{user_id}/", max_results=1)
        return bool(await asyncio.to_thread(list, listed))


async def delete_all(runtime: Runtime, user_id: str) -> AsyncIterator[str]:
    """Delete all that lies in a user's folder; yields each name once it is deleted. Raises TryLater."""

    def delete(blob: Any) -> None:
        # Another process may have deleted it first.
        with suppress(NotFound):
            blob.delete()

    try:
        listed = iter(runtime.uploads.list_blobs(prefix=f"users/{user_id}/"))
        while blobs := await asyncio.to_thread(lambda: list(islice(listed, _DELETED_AT_ONCE))):
            await asyncio.gather(*(asyncio.to_thread(delete, blob) for blob in blobs))
            for blob in blobs:
                yield blob.name
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise TryLater(f"Cloud Storage did not answer: {type(error).__name__}") from error


def _warn_of_the_older_bucket(runtime: Runtime, uri: str) -> None:
    """Tell the operator that an app uploads into PROJECT.appspot.com, as projects of before October 2024 do.

    https://firebase.google.com/docs/storage/faqs-storage-changes-announced-sept-2024. The user's job is refused.
    """
    bucket = f"{runtime.settings.project}.appspot.com"
    if bucket != runtime.settings.uploads_bucket and uri.startswith(f"gs://{bucket}/"):
        log.warning(
            "uploads_in_another_bucket", reason=f"if the app's bucket is this, NIGHTSHIFT_UPLOADS_BUCKET={bucket}"
        )


def _own_blob(runtime: Runtime, user_id: str, uri: str, generation: int | None = None) -> Any:
    name = own_object(uri, runtime.settings.uploads_bucket, user_id)
    return runtime.uploads.blob(name, generation=generation)


def _checked_generation(blob: Any, image_types: Set[str]) -> int:
    blob.reload()
    # A download overwrites what the client knows of the object by what its answer says.
    size_bytes, generation = int(blob.size or 0), int(blob.generation)

    def read(wanted: range) -> bytes:
        content: bytes = blob.download_as_bytes(
            start=wanted.start, end=wanted.stop - 1, if_generation_match=generation, checksum=None
        )
        return content

    check_properties(size_bytes, blob.content_encoding)
    head = read(range(min(size_bytes, HEAD_BYTES)))
    check_type(head[:FIRST_BYTES], image_types)
    wanted = second_range(head, size_bytes)
    rest = read(wanted) if wanted else b""
    check_content(Portions(size_bytes=size_bytes, head=head, rest=rest, rest_start=wanted.start))
    return generation


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise missing() from None
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise TryLater(f"Cloud Storage did not answer: {type(error).__name__}") from error


def _data_url(blob: Any) -> str:
    content = blob.download_as_bytes()
    # The emulator gives the newest generation, whichever is asked for. So what is sent is checked again.
    check_properties(len(content), None)
    check_content(Portions(size_bytes=len(content), head=content))
    return f"data:{media_type(content[:FIRST_BYTES])};base64,{base64.b64encode(content).decode()}"


def _checked_video(blob: Any) -> int:
    blob.reload()
    generation = int(blob.generation)
    check_video_properties(int(blob.size or 0), blob.content_encoding)
    head = blob.download_as_bytes(start=0, end=FIRST_VIDEO_BYTES - 1, if_generation_match=generation, checksum=None)
    video_type(head)
    return generation


def _video_data_url(blob: Any) -> str:
    content = blob.download_as_bytes()
    check_video_properties(len(content), None)
    return f"data:{video_type(content[:FIRST_VIDEO_BYTES])};base64,{base64.b64encode(content).decode()}"


def _signed_through_iam(blob: Any) -> str:
    """The address where there is no key of ours. Google guarantees it for 12 h only, since its keys change."""
    return str(
        blob.generate_signed_url(
            version="v4", expiration=ADDRESS_LIFETIME, generation=blob.generation, **signer(blob.client)
        )
    )
