"""Users' accounts in Firebase Auth (https://firebase.google.com/docs/auth/admin/manage-users#delete_a_user)."""

import asyncio

from google.auth.exceptions import GoogleAuthError

from nightshift.errors import TryLater
from nightshift.runtime import Runtime


async def delete(runtime: Runtime, uid: str) -> bool:
    """Delete an account. Returns False if there was no account. Raises TryLater when Firebase Auth cannot be asked."""
    return await asyncio.to_thread(_delete, runtime, uid)


async def exists(runtime: Runtime, uid: str) -> bool:
    """Whether there is an account. Raises TryLater when Firebase Auth cannot be asked."""
    return await asyncio.to_thread(_exists, runtime, uid)


def _exists(runtime: Runtime, uid: str) -> bool:
    from firebase_admin import auth
    from firebase_admin.exceptions import FirebaseError

    from nightshift.firebase import app

    try:
        auth.get_user(uid, app=app(runtime, "accounts"))
    except auth.UserNotFoundError:
        return False
    except (FirebaseError, GoogleAuthError, ValueError) as error:
        raise TryLater(f"Firebase Auth did not look for the account: {type(error).__name__}") from error
    return True


def _delete(runtime: Runtime, uid: str) -> bool:
    from firebase_admin import auth
    from firebase_admin.exceptions import FirebaseError

    from nightshift.firebase import app

    try:
        auth.delete_user(uid, app=app(runtime, "accounts"))
    except auth.UserNotFoundError:
        return False
    except (FirebaseError, GoogleAuthError, ValueError) as error:
        raise TryLater(f"Firebase Auth did not delete the account: {type(error).__name__}") from error
    return True
