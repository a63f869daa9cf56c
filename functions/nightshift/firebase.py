"""firebase-admin's apps, one for each purpose, built when it is first used: each knows one credential.

Calls of several threads share an app. firebase-admin looks for an app and makes it in two steps. So one thread at a
time does both.
"""

import threading
from typing import Final, Literal

import firebase_admin
from firebase_admin import credentials
from google.auth.credentials import AnonymousCredentials

from nightshift.runtime import Runtime

Purpose = Literal["verify", "revocation", "accounts", "addresses", "messages"]

# firebase-admin's own is two minutes, for each of several attempts.
_TIMEOUT_SECONDS: Final = 10
_one_app_at_a_time = threading.Lock()


class NoCredential(credentials.Base):  # type: ignore[misc]  # firebase-admin ships no types
    """For what takes no credential: verifying a signature, and the local stack's own servers."""

    def get_credential(self) -> AnonymousCredentials:
        """Of no account."""
        return AnonymousCredentials()


def app(runtime: Runtime, purpose: Purpose, *, is_keyless: bool = False) -> firebase_admin.App:
    """The app of a purpose, as this process's own account; a keyless one may do nothing that takes a credential."""
    project = runtime.settings.project
    name = f"{project}-{purpose}"
    with _one_app_at_a_time:
        try:
            return firebase_admin.get_app(name)
        except ValueError:
            options = {"projectId": project, "httpTimeout": _TIMEOUT_SECONDS}
            return firebase_admin.initialize_app(NoCredential() if is_keyless else None, options=options, name=name)
