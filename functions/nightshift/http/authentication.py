"""Who calls: Firebase ID tokens, verified by firebase-admin (https://firebase.google.com/docs/auth/admin/verify-id-tokens)."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import firebase_admin
from firebase_admin import auth, credentials
from google.auth.credentials import AnonymousCredentials

from nightshift.model.errors import HttpError
from nightshift.runtime import Runtime

_one_app_at_a_time = threading.Lock()
_NOT_VALID = (
    auth.InvalidIdTokenError,
    auth.UserDisabledError,
    auth.UserNotFoundError,
    # A token whose parts are not what they should be, e.g. a list instead of claims.
    ValueError,
    TypeError,
    AttributeError,
)


async def require_admin(runtime: Runtime, headers: Mapping[str, str]) -> None:
    """Let an admin pass.

    Raises:
        HttpError: 401 without a valid ID token, 403 without the custom claim `admin: true`, 503 when Google's
        keys cannot be fetched.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated()
    claims = await asyncio.to_thread(_verify, runtime, token.strip())
    if claims.get("admin") is not True:
        raise HttpError(403, "permission_denied", "This needs the custom claim admin.")


def _verify(runtime: Runtime, token: str) -> Mapping[str, Any]:
    emulated = runtime.settings.auth_emulator is not None
    try:
        claims: Mapping[str, Any] = auth.verify_id_token(token, app=_app(runtime, "verify", _NoCredential()))
        if not emulated:
            # The signature is right; now Firebase Auth is asked whether the token was revoked.
            auth.verify_id_token(token, app=_app(runtime, "revocation", None), check_revoked=True)
    except (auth.CertificateFetchError, auth.UnexpectedResponseError) as error:
        raise HttpError(503, "unavailable", "The token cannot be verified now; try again.") from error
    except _NOT_VALID as error:
        raise _unauthenticated() from error
    # The emulator's signatures are not checked, nor, by firebase-admin, their expiry.
    if emulated and runtime.now().timestamp() > float(claims.get("exp", "inf")):
        raise _unauthenticated()
    return claims


class _NoCredential(credentials.Base):  # type: ignore[misc]  # firebase-admin ships no types
    """Verifying a signature takes Google's public keys alone; so a forged token is refused without any credential."""

    def get_credential(self) -> AnonymousCredentials:
        return AnonymousCredentials()


def _app(runtime: Runtime, purpose: str, credential: _NoCredential | None) -> firebase_admin.App:
    project = runtime.settings.project
    name = f"{project}-{purpose}"
    with _one_app_at_a_time:
        try:
            return firebase_admin.get_app(name)
        except ValueError:
            return firebase_admin.initialize_app(credential, options={"projectId": project}, name=name)


def _unauthenticated() -> HttpError:
    return HttpError(
        401, "unauthenticated", "Send a valid Firebase ID token as a bearer token.", {"WWW-Authenticate": "Bearer"}
    )
