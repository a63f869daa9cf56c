"""What Firebase Auth does for an app: sign up, sign in in each way, look, change, delete, renew a token.

Each method is one of the API's, takes the request's JSON and gives the answer's. The API's reference is
https://cloud.google.com/identity-platform/docs/reference/rest/v1/accounts. As in a new project, who asks does not learn
whether an address has an account (https://cloud.google.com/identity-platform/docs/admin/email-enumeration-protection).
"""

import secrets
from collections.abc import Callable
from typing import Any

from local.firebase.accounts import Account, Accounts, checked_password
from local.firebase.errors import FirebaseError
from local.firebase.identity import custom_claims, provider_and_claims
from local.firebase.mail import Mailbox
from local.firebase.sessions import Sessions
from local.firebase.web import JsonObject

_SIGNED_UP, _SIGNED_IN = "identitytoolkit#SignupNewUserResponse", "identitytoolkit#VerifyPasswordResponse"


class Auth:
    """The users of one project, their sign-ins and their mail."""

    def __init__(self, project: str) -> None:
        self.accounts = Accounts()
        self.sessions = Sessions(project, self.accounts)
        self.mailbox = Mailbox(self.accounts)

    @property
    def operations(self) -> dict[str, Callable[[JsonObject], JsonObject]]:
        """What an app may ask, by the name in the address."""
        return {
            "signUp": self.sign_up,
            "signInWithPassword": self.sign_in_with_password,
            "signInWithCustomToken": self.sign_in_with_custom_token,
            "signInWithIdp": self.sign_in_with_provider,
            "signInWithEmailLink": self.sign_in_with_email_link,
            "lookup": self.lookup,
            "update": self.update,
            "delete": self.delete,
            "resetPassword": self.reset_password,
            "createAuthUri": self.ask_for_providers,
        }

    def sign_up(self, body: JsonObject) -> JsonObject:
        """Without an address anonymously; with an ID token the address becomes a further way to sign in."""
        if not (body.get("idToken") or body.get("email") or body.get("password")):
            account = self.accounts.create()
            return {"kind": _SIGNED_UP, "localId": account.uid} | self._signed_in(account, "anonymous", is_new=True)
        password = checked_password(body.get("password"))
        account = self.sessions.account_of(body["idToken"])[0] if body.get("idToken") else Account("")
        self.accounts.set_email(account, body.get("email"))
        is_new = not account.uid
        if is_new:
            email = account.email
            account = self.accounts.create()
            account.email = email
        account.password = password
        account.display_name = body.get("displayName") or account.display_name
        told = {"kind": _SIGNED_UP, "localId": account.uid, "email": account.email}
        return told | self._signed_in(account, "password", is_new=is_new)

    def sign_in_with_password(self, body: JsonObject) -> JsonObject:
        """By address and password."""
        email, password = str(body.get("email", "")), checked_presence(body, "password", "MISSING_PASSWORD")
        account = self.accounts.by_email(email)
        if account is None or not secrets.compare_digest((account.password or "").encode(), password.encode()):
            raise FirebaseError("INVALID_LOGIN_CREDENTIALS")
        told = {"kind": _SIGNED_IN, "registered": True, "localId": account.uid, "email": account.email}
        return told | self._signed_in(account, "password", is_new=False)

    def sign_in_with_custom_token(self, body: JsonObject) -> JsonObject:
        """By a token that the Admin SDK made; the user comes into being if it does not exist."""
        claims = custom_claims(body.get("token"))
        found = self.accounts.find(claims["uid"])
        account = found or self.accounts.create(claims["uid"])
        told = {"kind": "identitytoolkit#VerifyCustomTokenResponse"}
        return told | self._signed_in(account, "custom", is_new=found is None, claims=claims.get("claims"))

    def sign_in_with_provider(self, body: JsonObject) -> JsonObject:
        """By Google, Apple and the like; with an ID token the provider becomes a further way to sign in."""
        provider, claims = provider_and_claims(body)
        raw_id, email = str(claims["sub"]), claims.get("email")
        known = self.accounts.by_provider(provider, raw_id)
        if body.get("idToken"):
            account, _ = self.sessions.account_of(body["idToken"])
            if known is not None:
                raise FirebaseError("FEDERATED_USER_ID_ALREADY_LINKED")
        else:
            account = known or (email and self.accounts.by_email(email)) or self.accounts.create()
        is_new = not account.last_login_at_ms
        if email and not account.email:
            self.accounts.set_email(account, email)
        account.email_verified = account.email_verified or (bool(email) and claims.get("email_verified", True) is True)
        account.display_name = account.display_name or claims.get("name")
        account.photo_url = account.photo_url or claims.get("picture")
        info = {"rawId": raw_id, "federatedId": raw_id, "email": email, "displayName": claims.get("name")}
        account.providers[provider] = {name: value for name, value in info.items() if value}
        told = {
            "kind": "identitytoolkit#VerifyAssertionResponse",
            "providerId": provider,
            "federatedId": f"{provider}/{raw_id}",
            "localId": account.uid,
            "email": account.email,
            "emailVerified": account.email_verified,
            "displayName": account.display_name,
            "rawUserInfo": "{}",
            "oauthAccessToken": f"local_{provider}",
        }
        return _present(told) | self._signed_in(account, provider, is_new=is_new)

    def sign_in_with_email_link(self, body: JsonObject) -> JsonObject:
        """By the code of a mail."""
        email = self.mailbox.use(body.get("oobCode"), "EMAIL_SIGNIN")
        if email != str(body.get("email", "")).lower():
            raise FirebaseError("INVALID_EMAIL")
        found = self.accounts.by_email(email)
        account = found or self.accounts.create()
        account.email, account.email_verified = email, True
        told = {"kind": "identitytoolkit#EmailLinkSigninResponse", "localId": account.uid, "email": email}
        return told | self._signed_in(account, "password", is_new=found is None)

    def lookup(self, body: JsonObject) -> JsonObject:
        """What is known of the signed-in user."""
        account, _ = self.sessions.account_of(body.get("idToken"))
        return {"kind": "identitytoolkit#GetAccountInfoResponse", "users": [account.as_json()]}

    def update(self, body: JsonObject) -> JsonObject:
        """Change the signed-in user, or use up the code of a mail."""
        if body.get("oobCode"):
            account = self.accounts.by_email(self.mailbox.use(body["oobCode"], "VERIFY_EMAIL"))
            if account is None:
                raise FirebaseError("INVALID_OOB_CODE")
            account.email_verified = True
            return told_of(account)
        account, provider = self.sessions.account_of(body.get("idToken"))
        change(self.accounts, account, body)
        told = told_of(account)
        if body.get("email") or body.get("password"):
            provider = "password"
        if body.get("returnSecureToken") or body.get("password"):
            told |= self.sessions.start(account, provider)
        return told

    def delete(self, body: JsonObject) -> JsonObject:
        """Delete the signed-in user."""
        account, _ = self.sessions.account_of(body.get("idToken"))
        self.accounts.delete(account.uid)
        return {"kind": "identitytoolkit#DeleteAccountResponse"}

    def reset_password(self, body: JsonObject) -> JsonObject:
        """Look at a code of a mail; with a new password, use it up."""
        if not body.get("newPassword"):
            mail = self.mailbox.look(body.get("oobCode"))
            return {"kind": "identitytoolkit#ResetPasswordResponse"} | _present(
                {"requestType": mail["requestType"], "email": mail["email"]}
            )
        password = checked_password(body["newPassword"])
        email = self.mailbox.use(body.get("oobCode"), "PASSWORD_RESET")
        if account := self.accounts.by_email(email):
            account.password, account.email_verified = password, True
        return {"kind": "identitytoolkit#ResetPasswordResponse", "requestType": "PASSWORD_RESET", "email": email}

    def ask_for_providers(self, _body: JsonObject) -> JsonObject:
        """By which ways an address may sign in: a new project does not tell."""
        return {"kind": "identitytoolkit#CreateAuthUriResponse", "sessionId": secrets.token_urlsafe(20)}

    def mail(self, body: JsonObject, own_url: str) -> JsonObject:
        """Write a code to an address; that no account has it, the app does not learn."""
        kind, email = body.get("requestType"), body.get("email")
        if body.get("idToken"):
            email = self.sessions.account_of(body["idToken"])[0].email
        if not email:
            raise FirebaseError("MISSING_EMAIL")
        told = {"kind": "identitytoolkit#GetOobConfirmationCodeResponse", "email": email}
        if kind == "PASSWORD_RESET" and self.accounts.by_email(email) is None:
            return told
        self.mailbox.send(kind, email, own_url, body.get("continueUrl"))
        return told

    def renew(self, form: dict[str, Any]) -> JsonObject:
        """A new ID token for a refresh token, as securetoken.googleapis.com answers."""
        account, tokens = self.sessions.renew(str(form.get("refresh_token") or form.get("refreshToken") or ""))
        return {
            "id_token": tokens["idToken"],
            "access_token": tokens["idToken"],
            "refresh_token": tokens["refreshToken"],
            "expires_in": tokens["expiresIn"],
            "token_type": "Bearer",
            "user_id": account.uid,
            "project_id": "local",
        }

    def _signed_in(
        self, account: Account, provider: str, *, is_new: bool, claims: dict[str, Any] | None = None
    ) -> JsonObject:
        return {"isNewUser": is_new, **self.sessions.start(account, provider, claims)}


def checked_presence(body: JsonObject, name: str, otherwise: str) -> str:
    """A text of the request. Raises FirebaseError with the code `otherwise` if it is missing."""
    found = body.get(name)
    if not isinstance(found, str) or not found:
        raise FirebaseError(otherwise)
    return found


def change(accounts: Accounts, account: Account, body: JsonObject) -> None:
    """Change what an app and the Admin SDK may both change."""
    if body.get("email"):
        former = account.email
        accounts.set_email(account, body["email"])
        account.email_verified = account.email_verified and account.email == former
    if body.get("password"):
        account.password = checked_password(body["password"])
    for name in ("displayName", "photoUrl"):
        if name in body:
            setattr(account, {"displayName": "display_name", "photoUrl": "photo_url"}[name], body[name] or None)
    deleted = {"DISPLAY_NAME": "display_name", "PHOTO_URL": "photo_url", "EMAIL": "email"}
    for name in body.get("deleteAttribute") or ():
        if name in deleted:
            setattr(account, deleted[name], None)
    for provider in body.get("deleteProvider") or ():
        account.providers.pop(provider, None)
        if provider == "password":
            account.password = None
        if provider == "phone":
            account.phone_number = None


def told_of(account: Account) -> JsonObject:
    """What an update answers."""
    return {"kind": "identitytoolkit#SetAccountInfoResponse", **account.as_json()}


def _present(fields: JsonObject) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}
