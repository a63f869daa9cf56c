"""App Check: whether a request comes from an installation of the app (https://firebase.google.com/docs/app-check).

Only with NIGHTSHIFT_APP_CHECK, since a server or a script has no such token. The token is verified like an ID token, by
Google's public keys, which are kept. For a key that it does not know, the library asks Google once more; so only users
who are signed in, and not too often, get as far as here.
"""

import asyncio
from typing import Final

import structlog
from firebase_admin import app_check
from firebase_admin.exceptions import FirebaseError
from jwt.exceptions import PyJWKClientConnectionError, PyJWTError
from starlette.datastructures import Headers

from nightshift.api.authentication import keyless_app
from nightshift.errors import HttpError
from nightshift.runtime import Runtime

log = structlog.get_logger()

HEADER: Final = "X-Firebase-AppCheck"


async def require_app(runtime: Runtime, headers: Headers) -> None:
    """Let an installation of the app pass; without the setting, every caller.

    Raises:
        HttpError: 401 without a valid token, 503 when Google cannot be asked for its keys.
    """
    if not runtime.settings.app_check:
        return
    given = headers.getlist(HEADER)
    if len(given) != 1 or not given[0]:
        raise _not_the_app()
    await asyncio.to_thread(_verify, runtime, given[0])


def _verify(runtime: Runtime, token: str) -> None:
    try:
        app_check.verify_token(token, app=keyless_app(runtime))
    except PyJWKClientConnectionError as error:
        log.warning("token_not_verifiable", error=type(error).__name__)
        raise HttpError(503, "unavailable", "App Check's keys cannot be read now; try again.") from error
    except (PyJWTError, FirebaseError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise _not_the_app() from error


def _not_the_app() -> HttpError:
    return HttpError(401, "app_not_verified", f"Send a valid App Check token in the header {HEADER}.")
