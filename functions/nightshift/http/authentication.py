"""Who calls: Firebase ID tokens, verified by firebase-admin (https://firebase.google.com/docs/auth/admin/verify-id-tokens)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import firebase_admin
from firebase_admin import auth

from nightshift.model.errors import HttpError
from nightshift.runtime import Runtime

_UNAUTHENTICATED = HttpError(
    401,
    "unauthenticated",
    "Send a valid Firebase ID token as a bearer token.",
    {"WWW-Authenticate": "Bearer"},
)


async def require_admin(runtime: Runtime, headers: Mapping[str, str]) -> None:
    """Let an admin pass.

    Raises:
        HttpError: 401 without a valid ID token, 403 without the custom claim `admin: true`, 503 when Google's
        keys cannot be fetched.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _UNAUTHENTICATED
    claims = await asyncio.to_thread(_verify, runtime, token.strip())
    if claims.get("admin") is not True:
        raise HttpError(403, "permission_denied", "This needs the custom claim admin.")


def _verify(runtime: Runtime, token: str) -> Mapping[str, Any]:
    # The Auth emulator's tokens are unsigned, and it is asked nothing; in production a revoked token is refused too.
    emulated = runtime.settings.auth_emulator is not None
    try:
        claims: Mapping[str, Any] = auth.verify_id_token(token, app=_app(runtime), check_revoked=not emulated)
    except (auth.CertificateFetchError, auth.UnexpectedResponseError) as error:
        raise HttpError(503, "unavailable", "The token cannot be verified now; try again.") from error
    except (ValueError, auth.InvalidIdTokenError, auth.UserDisabledError, auth.UserNotFoundError) as error:
        raise _UNAUTHENTICATED from error
    return claims


def _app(runtime: Runtime) -> firebase_admin.App:
    project = runtime.settings.project
    try:
        return firebase_admin.get_app(project)
    except ValueError:
        return firebase_admin.initialize_app(options={"projectId": project}, name=project)
