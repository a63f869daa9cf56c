"""Where a user may be written to: the verified address in Firebase Auth, and no other one."""

import asyncio
import threading
from typing import Final

import firebase_admin
from firebase_admin import auth, credentials
from firebase_admin.exceptions import FirebaseError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError

from nightshift.errors import TryLater
from nightshift.runtime import Runtime

# firebase-admin's own is two minutes, for each of several attempts.
_TIMEOUT_SECONDS: Final = 10
_one_app_at_a_time = threading.Lock()


async def verified_address(runtime: Runtime, user_id: str) -> str | None:
    """A user's verified e-mail address; None if the account has none, is disabled, or is gone.

    Raises:
        TryLater: Firebase Auth cannot be asked now.
    """
    try:
        user = await asyncio.to_thread(auth.get_user, user_id, app=app(runtime))
    except auth.UserNotFoundError:
        return None
    except (FirebaseError, GoogleAuthError, ValueError) as error:
        raise TryLater(type(error).__name__) from error
    return user.email if user.email and user.email_verified and not user.disabled else None


def app(runtime: Runtime) -> firebase_admin.App:
    """firebase-admin as this function's own account; with the Auth emulator's variable, that emulator."""
    project = runtime.settings.project
    name = f"{project}-notify"
    with _one_app_at_a_time:
        try:
            return firebase_admin.get_app(name)
        except ValueError:
            options = {"projectId": project, "httpTimeout": _TIMEOUT_SECONDS}
            # The local stack's servers ask for no credential, and there may be none on a developer's machine.
            credential = _LocalCredential() if runtime.settings.fcm_emulator else None
            return firebase_admin.initialize_app(credential, options=options, name=name)


class _LocalCredential(credentials.Base):  # type: ignore[misc]  # firebase-admin ships no types
    def get_credential(self) -> AnonymousCredentials:
        return AnonymousCredentials()
