"""The signed address of an upload: Cloud Storage's V4 signature by an HMAC key.

Google's client library signs by RSA keys only. What is here follows its three pages, and nothing else is needed:
https://cloud.google.com/storage/docs/authentication/canonical-requests, …/signatures and …/hmackeys.
The signature is made from the key alone. No call is made, and nothing can fail.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from pydantic import SecretStr

_HOST: Final = "storage.googleapis.com"
_ALGORITHM: Final = "GOOG4-HMAC-SHA256"


def signed_address(
    key: SecretStr, bucket: str, name: str, generation: int | None, *, now: datetime, lifetime: timedelta
) -> str:
    """An address by which one object can be read, and nothing else be done, until `now + lifetime`.

    Args:
        key: `ACCESS_ID:SECRET`, as the settings have checked it.
        generation: the content that the address leads to; None for the newest.
        lifetime: at most seven days.
    """
    access_id, _, secret = key.get_secret_value().partition(":")
    signed_at = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    scope = (signed_at[:8], "auto", "storage", "goog4_request")
    path = quote(f"/{bucket}/{name}", safe="/~")
    signed_headers = "host"
    parameters = {
        "X-Goog-Algorithm": _ALGORITHM,
        "X-Goog-Credential": "/".join((access_id, *scope)),
        "X-Goog-Date": signed_at,
        "X-Goog-Expires": int(lifetime.total_seconds()),
        "X-Goog-SignedHeaders": signed_headers,
        **({} if generation is None else {"generation": generation}),
    }
    # Sorted by their names, as they stand above.
    query = urlencode(parameters, quote_via=quote, safe="~")
    request = "\n".join(("GET", path, query, f"host:{_HOST}\n", signed_headers, "UNSIGNED-PAYLOAD"))
    to_sign = "\n".join((_ALGORITHM, signed_at, "/".join(scope), hashlib.sha256(request.encode()).hexdigest()))
    # The secret is taken as the text that it is. Its base64 is not decoded.
    signature = chained(f"GOOG4{secret}", *scope, to_sign)
    return f"https://{_HOST}{path}?{query}&X-Goog-Signature={signature.hex()}"


def chained(secret: str, *parts: str) -> bytes:
    """Sign the first part by the secret, and each further one by the signature of the part before it."""
    signature = secret.encode()
    for part in parts:
        signature = hmac.digest(signature, part.encode(), "sha256")
    return signature
