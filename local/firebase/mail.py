"""The codes that Firebase Auth would mail: here they are listed, and no mail is sent."""

import secrets
from typing import Any
from urllib.parse import urlencode

from local.firebase.accounts import Accounts
from local.firebase.errors import FirebaseError

# What is asked for → the link's mode.
_MODES = {"VERIFY_EMAIL": "verifyEmail", "PASSWORD_RESET": "resetPassword", "EMAIL_SIGNIN": "signIn"}


class Mailbox:
    """The codes that were sent and not used yet."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._by_code: dict[str, dict[str, Any]] = {}

    def send(self, kind: object, email: str, own_url: str, continue_url: str | None) -> dict[str, Any]:
        """Write a code to the address. Raises FirebaseError for an unknown user or kind."""
        if kind not in _MODES:
            raise FirebaseError(f"The local stack sends no mail of the kind {kind}.", 501)
        if kind != "EMAIL_SIGNIN" and self._accounts.by_email(email) is None:
            raise FirebaseError("EMAIL_NOT_FOUND")
        code = secrets.token_urlsafe(24)
        query = {"mode": _MODES[kind], "lang": "en", "oobCode": code, "apiKey": "local"}
        if continue_url:
            query["continueUrl"] = continue_url
        mail = {
            "email": email.lower(),
            "requestType": kind,
            "oobCode": code,
            "oobLink": f"{own_url}/emulator/action?{urlencode(query)}",
        }
        self._by_code[code] = mail
        return mail

    def look(self, code: object) -> dict[str, Any]:
        """The mail with this code. Raises FirebaseError if no mail has it."""
        if not code:
            raise FirebaseError("MISSING_OOB_CODE")
        mail = self._by_code.get(str(code))
        if mail is None:
            raise FirebaseError("INVALID_OOB_CODE")
        return mail

    def use(self, code: object, kind: str) -> str:
        """Use a code of this kind up; returns its address. Raises FirebaseError."""
        mail = self.look(code)
        if mail["requestType"] != kind:
            raise FirebaseError("INVALID_OOB_CODE")
        del self._by_code[mail["oobCode"]]
        return str(mail["email"])

    def all(self) -> list[dict[str, Any]]:
        """Every mail whose code was not used, the oldest first."""
        return list(self._by_code.values())
