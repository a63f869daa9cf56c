"""What Firebase Auth does for the Admin SDK, which may do everything to every user."""

from collections.abc import Callable, Mapping

from local.firebase.accounts import Account, checked_claims, checked_password
from local.firebase.auth import Auth, change, told_of
from local.firebase.errors import FirebaseError
from local.firebase.web import JsonObject

_MOST_LISTED = 1_000


class AuthAdmin:
    """The Admin SDK's side of `Auth`."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    @property
    def operations(self) -> dict[str, Callable[[JsonObject], JsonObject]]:
        """What the Admin SDK may ask, by the name in the address."""
        return {
            "lookup": self.lookup,
            "update": self.update,
            "delete": self.delete,
            "batchDelete": self.delete_all,
        }

    def create(self, body: JsonObject) -> JsonObject:
        """A new user, who is signed in nowhere yet."""
        if body.get("email"):
            self._auth.accounts.set_email(Account(""), body["email"])
        if body.get("password"):
            checked_password(body["password"])
        account = self._auth.accounts.create(body.get("localId"))
        self._change(account, body)
        return {"kind": "identitytoolkit#SignupNewUserResponse", "localId": account.uid}

    def lookup(self, body: JsonObject) -> JsonObject:
        """Users by uid, address, phone number or provider; without `users` if none is found."""
        accounts = self._auth.accounts
        found = [accounts.find(uid) for uid in body.get("localId") or ()]
        found += [accounts.by_email(email) for email in body.get("email") or ()]
        found += [
            next((one for one in accounts if one.phone_number == number), None)
            for number in body.get("phoneNumber") or ()
        ]
        found += [
            accounts.by_provider(user.get("providerId", ""), user.get("rawId", ""))
            for user in body.get("federatedUserId") or ()
        ]
        users = {account.uid: account.as_json() for account in found if account}
        return {"kind": "identitytoolkit#GetAccountInfoResponse"} | ({"users": list(users.values())} if users else {})

    def update(self, body: JsonObject) -> JsonObject:
        """Change a user."""
        account = self._auth.accounts.find(str(body.get("localId", "")))
        if account is None:
            raise FirebaseError("USER_NOT_FOUND")
        self._change(account, body)
        return told_of(account)

    def delete(self, body: JsonObject) -> JsonObject:
        """Delete a user."""
        if not self._auth.accounts.delete(str(body.get("localId", ""))):
            raise FirebaseError("USER_NOT_FOUND")
        return {"kind": "identitytoolkit#DeleteAccountResponse"}

    def delete_all(self, body: JsonObject) -> JsonObject:
        """Delete these users; it passes over those that do not exist."""
        for uid in body.get("localIds") or ():
            self._auth.accounts.delete(uid)
        return {}

    def page(self, query: Mapping[str, str]) -> JsonObject:
        """All users, page by page, by uid."""
        size = min(int(query.get("maxResults", _MOST_LISTED)), _MOST_LISTED)
        after = query.get("nextPageToken", "")
        users = sorted((one for one in self._auth.accounts if one.uid > after), key=lambda one: one.uid)
        token = {"nextPageToken": users[size - 1].uid} if len(users) > size else {}
        shown = [account.as_json() for account in users[:size]]
        return {"kind": "identitytoolkit#DownloadAccountResponse", "users": shown} | token

    def mail(self, body: JsonObject, own_url: str) -> JsonObject:
        """A link that the caller mails itself."""
        mail = self._auth.mailbox.send(
            body.get("requestType"), str(body.get("email", "")), own_url, body.get("continueUrl")
        )
        return {
            "kind": "identitytoolkit#GetOobConfirmationCodeResponse",
            "email": mail["email"],
            "oobCode": mail["oobCode"],
            "oobLink": mail["oobLink"],
        }

    def _change(self, account: Account, body: JsonObject) -> None:
        change(self._auth.accounts, account, body)
        if "customAttributes" in body:
            account.custom_claims = checked_claims(str(body["customAttributes"]))
        if "emailVerified" in body:
            account.email_verified = bool(body["emailVerified"])
        if "disableUser" in body or "disabled" in body:
            account.disabled = bool(body.get("disableUser", body.get("disabled")))
        if body.get("validSince"):
            account.valid_since = int(body["validSince"])
        if "phoneNumber" in body:
            account.phone_number = body["phoneNumber"] or None
