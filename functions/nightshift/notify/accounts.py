"""Where a user may be written to: the verified address in Firebase Auth, and no other one."""

import asyncio

from firebase_admin import auth
from firebase_admin.exceptions import FirebaseError
from google.auth.exceptions import GoogleAuthError

from nightshift import firebase
from nightshift.errors import TryLater
from nightshift.runtime import Runtime


async def verified_address(runtime: Runtime, user_id: str) -> str | None:
    """A user's verified e-mail address; None if the account has none, is disabled, or is gone.

    Raises:
        TryLater: Firebase Auth cannot be asked now.
    """
    try:
        user = await asyncio.to_thread(auth.get_user, user_id, app=firebase.app(runtime, "addresses"))
    except auth.UserNotFoundError:
        return None
    except (FirebaseError, GoogleAuthError, ValueError) as error:
        raise TryLater(type(error).__name__) from error
    return user.email if user.email and user.email_verified and not user.disabled else None
