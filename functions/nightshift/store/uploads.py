"""The images that the app uploaded: whether a user may name one, and how the provider gets it.

In production the provider fetches an image by a signed URL that outlives the batch window. The storage emulator
cannot sign and no provider could reach it, so there the image travels inside the request as a data URL.
"""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.credentials import Signing
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from requests import RequestException

from nightshift.model.errors import JobRefused, TryLater
from nightshift.runtime import Runtime

# https://cloud.google.com/storage/docs/objects#naming
_LONGEST_NAME_BYTES: Final = 1024
# The batch window is 24 h, counted from a submission that may come hours after the signing; V4 allows 7 days:
# https://cloud.google.com/storage/docs/access-control/signed-urls
_URL_LIFETIME: Final = timedelta(hours=72)


async def check_image(runtime: Runtime, user_id: str, uri: str) -> None:
    """Check that a user may name this image.

    Raises:
        JobRefused: forbidden_image when it is not the user's own; invalid_input when it does not exist.
        TryLater: Cloud Storage did not answer.
    """
    if _is_web_address(uri):
        return
    name = _own_object(runtime, user_id, uri)
    with _translated_errors():
        if not await asyncio.to_thread(runtime.uploads.blob(name).exists):
            raise _missing()


async def image_url(runtime: Runtime, user_id: str, uri: str) -> str:
    """Where the provider finds an image: its https address, a signed URL, or a data URL. Raises as above."""
    if _is_web_address(uri):
        return uri
    blob = runtime.uploads.blob(_own_object(runtime, user_id, uri))
    with _translated_errors():
        return await asyncio.to_thread(_data_url if runtime.settings.storage_emulator else _signed_url, blob)


def _is_web_address(uri: str) -> bool:
    if uri.startswith("https://") and len(uri) <= 2_000:
        return True
    if not uri.startswith("gs://"):
        raise JobRefused("invalid_input", "The imageUri must begin with gs:// or https://.")
    return False


def _own_object(runtime: Runtime, user_id: str, uri: str) -> str:
    """The object's name.

    A client's path is compared as it stands: what would have to be decoded or resolved is refused.
    """
    prefix = f"gs://{runtime.settings.uploads_bucket}/"
    name = uri.removeprefix(prefix)
    own_folder = f"users/{user_id}/"
    if len(name.encode(errors="replace")) > _LONGEST_NAME_BYTES:
        raise _missing()
    plain = name.isprintable() and not any(part in {"", ".", ".."} for part in name.split("/"))
    if name == uri or not name.startswith(own_folder) or not plain or set(name) & set("%\\?#"):
        raise JobRefused("forbidden_image", "The image is not one of your own uploads.")
    return name


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise _missing() from None
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise TryLater(f"Cloud Storage did not answer: {type(error).__name__}") from error


def _data_url(blob: Any) -> str:
    content = blob.download_as_bytes()
    return f"data:{blob.content_type or 'image/jpeg'};base64,{base64.b64encode(content).decode()}"


def _signed_url(blob: Any) -> str:
    credentials = blob.client._credentials
    if isinstance(credentials, Signing):
        return str(blob.generate_signed_url(version="v4", expiration=_URL_LIFETIME))
    # A deployed function has no private key: it signs through IAM, as its own service account.
    if not credentials.valid:
        credentials.refresh(Request())
    return str(
        blob.generate_signed_url(
            version="v4",
            expiration=_URL_LIFETIME,
            service_account_email=credentials.service_account_email,
            access_token=credentials.token,
        )
    )


def _missing() -> JobRefused:
    return JobRefused("invalid_input", "The image does not exist; upload it before you write the job.")
