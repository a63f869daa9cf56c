"""Links by which a client reads or writes one object of Cloud Storage, signed for a while: no byte passes a function.

IAM signs for the function's own service account (https://cloud.google.com/storage/docs/access-control/signed-urls). So
a link may do what that account may, on this one object, by this one method. The storage emulator knows no signatures
and takes the plain address.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal
from urllib.parse import quote

from google.api_core.exceptions import GoogleAPIError
from google.auth.credentials import Signing
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from requests import RequestException

from nightshift.errors import TryLater
from nightshift.runtime import Runtime

# Long enough to begin a transfer; one that was begun goes on.
LINK_LIFETIME: Final = timedelta(minutes=15)


async def signed_link(
    runtime: Runtime, blob: Any, method: Literal["GET", "PUT"], headers: Mapping[str, str] | None = None
) -> str:
    """A link to an object, good for LINK_LIFETIME.

    Args:
        blob: the object; it need not exist.
        headers: what a client has to send with the request, as it stands there.

    Raises:
        TryLater: IAM did not sign.
    """
    if runtime.settings.storage_emulator is not None:
        return f"{runtime.settings.storage_emulator}/{blob.bucket.name}/{quote(blob.name)}"
    try:
        return await asyncio.to_thread(_signed, blob, method, dict(headers or {}))
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise TryLater(f"IAM did not sign a link: {type(error).__name__}") from error


def signer(client: Any) -> dict[str, str]:
    """What the client library needs besides, to sign as a deployed function, which has no private key."""
    credentials = client._credentials
    if isinstance(credentials, Signing):
        return {}
    if not credentials.valid:
        credentials.refresh(Request())
    return {"service_account_email": credentials.service_account_email, "access_token": credentials.token}


def _signed(blob: Any, method: str, headers: dict[str, str]) -> str:
    return str(
        blob.generate_signed_url(
            version="v4", expiration=LINK_LIFETIME, method=method, headers=headers, **signer(blob.client)
        )
    )
