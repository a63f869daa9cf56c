"""The sessions of signed-in users: ID tokens, and the refresh tokens by which an app gets new ones."""

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import jwt

from local.firebase.accounts import Account, Accounts
from local.firebase.errors import FirebaseError
from local.tokens import LIFETIME_SECONDS, unsigned_token


@dataclass(frozen=True)
class Session:
    """One sign-in."""

    uid: str
    provider: str
    signed_in_at: int
    claims: dict[str, Any] = field(default_factory=dict)


class Sessions:
    """The sign-ins of one project."""

    def __init__(self, project: str, accounts: Accounts) -> None:
        self._project = project
        self._accounts = accounts
        self._by_refresh_token: dict[str, Session] = {}

    def start(self, account: Account, provider: str, claims: dict[str, Any] | None = None) -> dict[str, str]:
        """Sign the user in; returns the tokens as the API does. Raises FirebaseError if the user is disabled."""
        if account.disabled:
            raise FirebaseError("USER_DISABLED")
        account.last_login_at_ms = int(time.time() * 1000)
        session = Session(account.uid, provider, int(time.time()), claims or {})
        refresh_token = secrets.token_urlsafe(32)
        self._by_refresh_token[refresh_token] = session
        return self._tokens(account, session, refresh_token)

    def renew(self, refresh_token: str) -> tuple[Account, dict[str, str]]:
        """New tokens for an old sign-in. Raises FirebaseError if it is over."""
        session = self._by_refresh_token.get(refresh_token)
        if session is None:
            raise FirebaseError("INVALID_REFRESH_TOKEN")
        account = self._accounts.find(session.uid)
        if account is None:
            raise FirebaseError("USER_NOT_FOUND")
        if account.disabled:
            raise FirebaseError("USER_DISABLED")
        if session.signed_in_at < account.valid_since:
            raise FirebaseError("TOKEN_EXPIRED")
        return account, self._tokens(account, session, refresh_token)

    def account_of(self, id_token: object) -> tuple[Account, str]:
        """Whose ID token it is, and by which provider the user signed in. Raises FirebaseError."""
        if not isinstance(id_token, str) or not id_token:
            raise FirebaseError("MISSING_ID_TOKEN")
        try:
            claims: dict[str, Any] = jwt.decode(id_token, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise FirebaseError("INVALID_ID_TOKEN") from None
        account = self._accounts.find(str(claims.get("sub", "")))
        if account is None:
            raise FirebaseError("USER_NOT_FOUND")
        if account.disabled:
            raise FirebaseError("USER_DISABLED")
        if claims.get("iat", 0) < account.valid_since:
            raise FirebaseError("TOKEN_EXPIRED")
        return account, str(claims.get("firebase", {}).get("sign_in_provider", "custom"))

    def _tokens(self, account: Account, session: Session, refresh_token: str) -> dict[str, str]:
        identities: dict[str, list[str]] = {name: [info["rawId"]] for name, info in account.providers.items()}
        if account.email:
            identities["email"] = [account.email]
        claims: dict[str, object] = {
            "name": account.display_name,
            "picture": account.photo_url,
            "email": account.email,
            "email_verified": account.email_verified if account.email else None,
            "phone_number": account.phone_number,
            "provider_id": "anonymous" if session.provider == "anonymous" else None,
            "auth_time": session.signed_in_at,
            "firebase": {"identities": identities, "sign_in_provider": session.provider},
            **json.loads(account.custom_claims or "{}"),
            **session.claims,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        return {
            "idToken": unsigned_token(self._project, account.uid, **present),
            "refreshToken": refresh_token,
            "expiresIn": str(LIFETIME_SECONDS),
        }
