"""The users of one project of Firebase Auth, in memory."""

import re
import secrets
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local.firebase.errors import FirebaseError

LEAST_PASSWORD_CHARACTERS = 6
_MOST_CLAIM_CHARACTERS = 1_000
_UID_CHARACTERS = string.ascii_letters + string.digits
_UID_LENGTH = 28


@dataclass
class Account:
    """One user. Times are in milliseconds, as Firebase Auth gives them."""

    uid: str
    email: str | None = None
    password: str | None = None
    email_verified: bool = False
    display_name: str | None = None
    photo_url: str | None = None
    phone_number: str | None = None
    disabled: bool = False
    custom_claims: str | None = None  # JSON text
    # By provider, as `google.com`: what that provider knows of the user.
    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    created_at_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    last_login_at_ms: int = 0
    # Tokens that were issued before are refused (seconds).
    valid_since: int = 0

    @property
    def provider_info(self) -> list[dict[str, Any]]:
        """The ways in which this user may sign in."""
        own = {"displayName": self.display_name, "photoUrl": self.photo_url, "email": self.email}
        found = [{"providerId": name, **info} for name, info in self.providers.items()]
        if self.password:
            password = {"providerId": "password", "rawId": self.email, "federatedId": self.email, **own}
            found.append({name: value for name, value in password.items() if value is not None})
        if self.phone_number:
            found.append({"providerId": "phone", "rawId": self.phone_number, "phoneNumber": self.phone_number})
        return found

    def as_json(self) -> dict[str, Any]:
        """As `accounts:lookup` shows it."""
        shown = {
            "localId": self.uid,
            "email": self.email,
            "emailVerified": self.email_verified,
            "displayName": self.display_name,
            "photoUrl": self.photo_url,
            "phoneNumber": self.phone_number,
            "disabled": self.disabled,
            "customAttributes": self.custom_claims,
            "providerUserInfo": self.provider_info,
            "createdAt": str(self.created_at_ms),
            "lastLoginAt": str(self.last_login_at_ms or self.created_at_ms),
            "validSince": str(self.valid_since),
            "passwordHash": self.password and "kept by the local stack alone",
        }
        return {name: value for name, value in shown.items() if value is not None}


class Accounts:
    """All users, by uid."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Account] = {}

    def __iter__(self) -> Iterator[Account]:
        return iter(list(self._by_uid.values()))

    def create(self, uid: str | None = None) -> Account:
        """A new user. Raises FirebaseError if the uid is taken."""
        uid = uid or "".join(secrets.choice(_UID_CHARACTERS) for _ in range(_UID_LENGTH))
        if uid in self._by_uid:
            raise FirebaseError("DUPLICATE_LOCAL_ID")
        self._by_uid[uid] = Account(uid)
        return self._by_uid[uid]

    def find(self, uid: str) -> Account | None:
        """The user of that uid."""
        return self._by_uid.get(uid)

    def by_email(self, email: str) -> Account | None:
        """The user of that address, in whatever letters it is written."""
        return next((account for account in self if account.email == email.lower()), None)

    def by_provider(self, provider: str, raw_id: str) -> Account | None:
        """The user whom the provider knows by that id."""
        return next((one for one in self if one.providers.get(provider, {}).get("rawId") == raw_id), None)

    def delete(self, uid: str) -> bool:
        """Delete a user; False if there is no such user."""
        return self._by_uid.pop(uid, None) is not None

    def clear(self) -> None:
        """Delete all users."""
        self._by_uid.clear()

    def set_email(self, account: Account, email: object) -> None:
        """Give the user an address. Raises FirebaseError if it is no address, or another user's."""
        if not isinstance(email, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
            raise FirebaseError("INVALID_EMAIL")
        if (other := self.by_email(email)) and other is not account:
            raise FirebaseError("EMAIL_EXISTS")
        account.email = email.lower()


def checked_password(password: object) -> str:
    """The password. Raises FirebaseError if it is too short."""
    if not isinstance(password, str) or not password:
        raise FirebaseError("MISSING_PASSWORD")
    if len(password) < LEAST_PASSWORD_CHARACTERS:
        raise FirebaseError(f"WEAK_PASSWORD : Password should be at least {LEAST_PASSWORD_CHARACTERS} characters")
    return password


def checked_claims(claims: str) -> str:
    """Custom claims as JSON text. Raises FirebaseError if they are longer than Firebase allows."""
    if len(claims) > _MOST_CLAIM_CHARACTERS:
        raise FirebaseError("CLAIMS_TOO_LARGE")
    return claims
