"""Users' accounts in Firebase Auth (https://firebase.google.com/docs/auth/admin/manage-users#delete_a_user)."""

import asyncio
from typing import Any, Final

from google.auth.exceptions import GoogleAuthError

from nightshift.errors import TryLater
from nightshift.runtime import Runtime

_TIMEOUT_SECONDS: Final = 10


async def delete(runtime: Runtime, uid: str) -> bool:
    """Delete an account. Returns False if there was no account. Raises TryLater when Firebase Auth cannot be asked."""
    return await asyncio.to_thread(_delete, runtime.settings.project, uid)


async def exists(runtime: Runtime, uid: str) -> bool:
    """Whether there is an account. Raises TryLater when Firebase Auth cannot be asked."""
    return await asyncio.to_thread(_exists, runtime.settings.project, uid)


def _exists(project: str, uid: str) -> bool:
    from firebase_admin import auth
    from firebase_admin.exceptions import FirebaseError

    try:
        auth.get_user(uid, app=_app(project))
    except auth.UserNotFoundError:
        return False
    except (FirebaseError, GoogleAuthError, ValueError) as error:
        raise TryLater(f"Firebase Auth did not look for the account: {type(error).__name__}") from error
    return True


def _delete(project: str, uid: str) -> bool:
    from firebase_admin import auth
    from firebase_admin.exceptions import FirebaseError

    try:
        auth.delete_user(uid, app=_app(project))
    except auth.UserNotFoundError:
        return False
    except (FirebaseError, GoogleAuthError, ValueError) as error:
        raise TryLater(f"Firebase Auth did not delete the account: {type(error).__name__}") from error
    return True


def _app(project: str) -> Any:
    import firebase_admin

    name = f"{project}-accounts"
    try:
        return firebase_admin.get_app(name)
    except ValueError:
        options = {"projectId": project, "httpTimeout": _TIMEOUT_SECONDS}
        return firebase_admin.initialize_app(options=options, name=name)
