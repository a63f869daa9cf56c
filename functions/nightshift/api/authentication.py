"""Who calls: Firebase ID tokens, verified by firebase-admin (https://firebase.google.com/docs/auth/admin/verify-id-tokens).

A token is looked at in the order of what that costs. Its signature, times, audience and issuer need only Google's
public keys, which are fetched once every few hours. Its claims need nothing. Whether an admin's token was revoked, or
the admin disabled, is one call to Firebase Auth for each request. Only an admin can cause it: a flood of forged tokens,
or of other users' true ones, costs no quota.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import firebase_admin
import structlog
from firebase_admin import auth
from firebase_admin.exceptions import FirebaseError, PermissionDeniedError, UnauthenticatedError
from google.auth.exceptions import GoogleAuthError, TransportError
from starlette.datastructures import Headers

from nightshift import firebase
from nightshift.errors import HttpError
from nightshift.runtime import Runtime
from nightshift.values.ids import is_user_id

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A signed-in user, by a valid ID token."""

    user_id: str
    # By the token's claim alone; `require_admin` asks Firebase Auth, too.
    claims_admin: bool
    # Whether its e-mail address or phone number is verified; an anonymous user has neither.
    is_verified: bool
    _token: str = field(repr=False)


async def require_user(runtime: Runtime, headers: Headers) -> Caller:
    """Let a signed-in user pass: the token says which one.

    Raises:
        HttpError: 401 without a valid ID token, 503 when Google cannot be asked for its keys.
    """
    token = _bearer_token(headers)
    claims = await asyncio.to_thread(_verified_claims, runtime, token)
    user_id = claims.get("sub")
    if not isinstance(user_id, str) or not is_user_id(user_id):
        raise _unauthenticated()
    return Caller(
        user_id=user_id,
        claims_admin=claims.get("admin") is True,
        is_verified=claims.get("email_verified") is True or bool(claims.get("phone_number")),
        _token=token,
    )


async def require_admin(runtime: Runtime, headers: Headers) -> Caller:
    """Let an admin pass.

    Raises:
        HttpError: 401 without a valid ID token, 403 without the custom claim `admin: true`, 503 when Google cannot
        be asked for its keys, or for the user.
    """
    return await still_admin(runtime, await require_user(runtime, headers))


async def still_admin(runtime: Runtime, caller: Caller) -> Caller:
    """Let an admin pass whose token was looked at before; Firebase Auth is asked about no other user.

    Raises:
        HttpError: as above.
    """
    if not caller.claims_admin:
        raise HttpError(403, "permission_denied", "This needs the custom claim admin.")
    if runtime.settings.auth_emulator is None:
        await asyncio.to_thread(_refuse_revoked, runtime, caller._token)
    return caller


def _bearer_token(headers: Headers) -> str:
    # Of two, each part of the way from the caller to here might believe another one.
    given = headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated()
    return token.strip()


def _verified_claims(runtime: Runtime, token: str) -> Mapping[str, Any]:
    try:
        claims: Mapping[str, Any] = auth.verify_id_token(token, app=keyless_app(runtime))
    except auth.CertificateFetchError as error:
        raise _unavailable(error) from error
    except auth.InvalidIdTokenError as error:
        raise _refusal(error) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        # The token's parts are not what they should be, e.g. a number instead of claims, or lists in lists in lists.
        raise _unauthenticated() from error
    if runtime.settings.auth_emulator is not None:
        # The emulator's signatures are not checked, nor, by firebase-admin, their expiry.
        expires_at = claims.get("exp", float("inf"))
        if not isinstance(expires_at, int | float) or runtime.now().timestamp() > expires_at:
            raise _unauthenticated()
    return claims


def _refuse_revoked(runtime: Runtime, token: str) -> None:
    try:
        auth.verify_id_token(token, app=firebase.app(runtime, "revocation"), check_revoked=True)
    except (auth.InvalidIdTokenError, auth.UserDisabledError, auth.UserNotFoundError) as error:
        raise _refusal(error) from error
    except (FirebaseError, GoogleAuthError, ValueError) as error:
        # No network, no permission, no credential, or an unreadable answer. The token itself was found valid before.
        raise _unavailable(error) from error


def keyless_app(runtime: Runtime) -> firebase_admin.App:
    """The app by which tokens are verified; it may do nothing else."""
    return firebase.app(runtime, "verify", is_keyless=True)


def _refusal(error: FirebaseError) -> HttpError:
    # Where Google's keys are no JSON, firebase-admin blames the token. A token's own parts cause another error.
    return _unavailable(error) if isinstance(error.cause, json.JSONDecodeError) else _unauthenticated()


def _unauthenticated() -> HttpError:
    return HttpError(
        401, "unauthenticated", "Send a valid Firebase ID token as a bearer token.", {"WWW-Authenticate": "Bearer"}
    )


def _unavailable(error: Exception) -> HttpError:
    # Without a credential, or the permission to ask, no later request fares better.
    is_locked_out = isinstance(error, GoogleAuthError | PermissionDeniedError | UnauthenticatedError)
    passes = not is_locked_out or isinstance(error, TransportError)
    (log.warning if passes else log.error)("token_not_verifiable", error=type(error).__name__)
    return HttpError(503, "unavailable", "Firebase Auth cannot be asked about the token now; try again.")
