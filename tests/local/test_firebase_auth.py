"""Firebase Auth on this computer, as the Admin SDK and the apps' SDKs ask it."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import firebase_admin
import httpx
import jwt
import pytest
import pytest_asyncio
from firebase_admin import auth

from local.firebase.auth_routes import AuthRoutes
from local.serve import serving
from tests.support.patience import PATIENCE_SECONDS

PROJECT = "demo-auth"
WHO = {"email": "Alice@Example.com", "password": "correct horse"}


class Phone:
    """An app's SDK: it posts JSON to the emulator's address, and knows no token but its own."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self.url = url

    async def ask(self, name: str, **body: Any) -> Any:
        """One operation of the accounts' API; returns the answer, also a refusal."""
        answer = await self._client.post(
            f"{self.url}/identitytoolkit.googleapis.com/v1/accounts:{name}", params={"key": "local"}, json=body
        )
        return answer.json()

    async def raw(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request."""
        return await self._client.request(method, f"{self.url}{path}", **options)


@pytest_asyncio.fixture
async def welcomed() -> AsyncIterator[list[str]]:
    """The users who were welcomed."""
    yield []


@pytest_asyncio.fixture
async def phone(welcomed: list[str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Phone]:
    """An app, and the variable by which the Admin SDK finds the same users."""

    async def welcome(uid: str) -> None:
        welcomed.append(uid)

    async with (
        serving(AuthRoutes(PROJECT, welcome).app) as address,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", address)
        yield Phone(client, f"http://{address}")


@pytest.fixture
def admin(phone: Phone) -> Any:
    """The Admin SDK's app."""
    app = firebase_admin.initialize_app(options={"projectId": PROJECT}, name=phone.url)
    yield app
    firebase_admin.delete_app(app)


async def test_a_user_signs_up_signs_in_again_and_the_admin_sdk_accepts_the_token(
    phone: Phone, admin: Any, welcomed: list[str]
) -> None:
    """The token says what a real one says; a wrong password and an unknown address are refused alike."""
    new = await phone.ask("signUp", **WHO, returnSecureToken=True)
    again = await phone.ask("signInWithPassword", **WHO, returnSecureToken=True)
    claims = await asyncio.to_thread(auth.verify_id_token, again["idToken"], admin, True)

    assert again["localId"] == new["localId"] == claims["uid"]
    assert welcomed == [new["localId"]]
    assert (claims["email"], claims["email_verified"]) == ("alice@example.com", False)
    assert claims["firebase"] == {"identities": {"email": ["alice@example.com"]}, "sign_in_provider": "password"}
    wrong = await phone.ask("signInWithPassword", **WHO | {"password": "wrong horse"})
    unknown = await phone.ask("signInWithPassword", email="unknown@example.com", password="correct horse")
    assert wrong == unknown
    assert wrong["error"]["message"] == "INVALID_LOGIN_CREDENTIALS"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"email": "alice@example.com", "password": "other horse"}, "EMAIL_EXISTS"),
        ({"email": "bob", "password": "other horse"}, "INVALID_EMAIL"),
        ({"email": "bob@example.com", "password": "short"}, "WEAK_PASSWORD"),
        ({"email": "bob@example.com"}, "MISSING_PASSWORD"),
    ],
)
async def test_a_sign_up_that_is_not_in_order_creates_no_user(
    phone: Phone, welcomed: list[str], body: dict[str, str], code: str
) -> None:
    """Each with the code that the SDKs know."""
    await phone.ask("signUp", **WHO)

    assert (await phone.ask("signUp", **body))["error"]["message"].startswith(code)

    assert len(welcomed) == 1


async def test_an_anonymous_user_keeps_its_uid_when_it_gives_an_address(phone: Phone, welcomed: list[str]) -> None:
    """So its wallet and its jobs stay its own."""
    visitor = await phone.ask("signUp", returnSecureToken=True)
    assert jwt.decode(visitor["idToken"], options={"verify_signature": False})["provider_id"] == "anonymous"

    linked = await phone.ask("signUp", idToken=visitor["idToken"], **WHO)

    assert linked["localId"] == visitor["localId"] == (await phone.ask("signInWithPassword", **WHO))["localId"]
    assert welcomed == [visitor["localId"]]


async def test_google_and_a_custom_token_sign_in(phone: Phone, admin: Any, welcomed: list[str]) -> None:
    """A provider's user is the same user the next time; a custom token brings its claims."""
    claims = json.dumps({"sub": "g1", "email": "g@example.com", "email_verified": True, "name": "Gerda"})
    post_body = str(httpx.QueryParams({"id_token": claims, "providerId": "google.com"}))
    sent = {"postBody": post_body, "requestUri": "http://localhost", "returnSecureToken": True}
    first, second = [await phone.ask("signInWithIdp", **sent) for _ in range(2)]
    custom_token = (await asyncio.to_thread(auth.create_custom_token, "carl", {"plan": "gold"}, admin)).decode()
    carl = await phone.ask("signInWithCustomToken", token=custom_token, returnSecureToken=True)

    assert (first["isNewUser"], second["isNewUser"], carl["isNewUser"]) == (True, False, True)
    assert first["localId"] == second["localId"]
    assert welcomed == [first["localId"], "carl"]
    found = await asyncio.to_thread(auth.verify_id_token, carl["idToken"], admin)
    assert (found["uid"], found["plan"]) == ("carl", "gold")
    known = await asyncio.to_thread(auth.get_user_by_email, "g@example.com", admin)
    assert (known.email_verified, known.display_name, known.provider_data[0].provider_id) == (
        True,
        "Gerda",
        "google.com",
    )


async def test_a_token_is_renewed_until_the_user_is_signed_out_disabled_or_deleted(phone: Phone, admin: Any) -> None:
    """By the form that the SDKs send; the Admin SDK ends it in each of its ways."""

    async def renewed(refresh_token: str) -> Any:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return (await phone.raw("POST", "/securetoken.googleapis.com/v1/token", params={"key": "k"}, data=form)).json()

    user = await phone.ask("signUp", **WHO)
    uid, token = user["localId"], user["refreshToken"]
    assert (await renewed(token))["user_id"] == uid
    await asyncio.to_thread(auth.set_custom_user_claims, uid, {"admin": True}, admin)
    claims = await asyncio.to_thread(auth.verify_id_token, (await renewed(token))["id_token"], admin)
    assert claims["admin"] is True

    await asyncio.to_thread(lambda: auth.update_user(uid, disabled=True, app=admin))
    assert (await renewed(token))["error"]["message"] == "USER_DISABLED"
    await asyncio.to_thread(lambda: auth.update_user(uid, disabled=False, valid_since=4_000_000_000, app=admin))
    assert (await renewed(token))["error"]["message"] == "TOKEN_EXPIRED"
    await asyncio.to_thread(auth.delete_user, uid, admin)
    assert (await renewed(token))["error"]["message"] == "USER_NOT_FOUND"
    assert (await renewed("another"))["error"]["message"] == "INVALID_REFRESH_TOKEN"
    with pytest.raises(auth.UserNotFoundError):
        await asyncio.to_thread(auth.delete_user, uid, admin)


async def test_the_admin_sdk_creates_lists_and_deletes_users(phone: Phone, admin: Any) -> None:
    """By its own classes, page by page."""
    for uid in ("u0", "u1", "u2"):
        user = {"uid": uid, "email": f"{uid}@example.com", "password": "secret", "app": admin}
        await asyncio.to_thread(partial(auth.create_user, **user))
    first = await asyncio.to_thread(auth.list_users, None, 2, admin)

    assert [user.uid for user in first.users] == ["u0", "u1"]
    assert [user.uid for user in (await asyncio.to_thread(first.get_next_page)).users] == ["u2"]
    with pytest.raises(auth.UidAlreadyExistsError):
        await asyncio.to_thread(lambda: auth.create_user(uid="u0", app=admin))
    with pytest.raises(auth.EmailAlreadyExistsError):
        await asyncio.to_thread(lambda: auth.create_user(email="u0@example.com", app=admin))
    assert (await asyncio.to_thread(auth.delete_users, ["u0", "u1"], admin)).failure_count == 0
    assert [user.uid async for user in _all(admin)] == ["u2"]
    assert (await phone.ask("signInWithPassword", email="u2@example.com", password="secret"))["localId"] == "u2"


async def _all(admin: Any) -> AsyncIterator[Any]:
    for user in await asyncio.to_thread(lambda: list(auth.list_users(app=admin).iterate_all())):
        yield user


async def test_a_user_changes_and_deletes_itself(phone: Phone) -> None:
    """Name, address and password by its own token; afterwards it is gone."""
    user = await phone.ask("signUp", **WHO)
    changed = await phone.ask("update", idToken=user["idToken"], displayName="Alice", returnSecureToken=True)
    await phone.ask("update", idToken=changed["idToken"], email="a@example.com", password="new horse")
    again = await phone.ask("signInWithPassword", email="a@example.com", password="new horse")
    looked_up = (await phone.ask("lookup", idToken=again["idToken"]))["users"]

    assert [(one["localId"], one["displayName"], one["email"]) for one in looked_up] == [
        (user["localId"], "Alice", "a@example.com")
    ]
    await phone.ask("delete", idToken=again["idToken"])
    assert (await phone.ask("lookup", idToken=again["idToken"]))["error"]["message"] == "USER_NOT_FOUND"
    assert (await phone.ask("lookup", idToken="no token"))["error"]["message"] == "INVALID_ID_TOKEN"


async def test_codes_of_mails_verify_an_address_and_reset_a_password(phone: Phone, admin: Any) -> None:
    """No mail is sent: the codes are listed, as at Firebase's own emulator, and each works once."""
    user = await phone.ask("signUp", **WHO)
    await phone.ask("sendOobCode", requestType="VERIFY_EMAIL", idToken=user["idToken"])
    await phone.ask("sendOobCode", requestType="PASSWORD_RESET", email=WHO["email"])
    assert "error" not in await phone.ask("sendOobCode", requestType="PASSWORD_RESET", email="unknown@example.com")
    listed = (await phone.raw("GET", f"/emulator/v1/projects/{PROJECT}/oobCodes")).json()["oobCodes"]
    verify, reset = listed

    assert [mail["requestType"] for mail in listed] == ["VERIFY_EMAIL", "PASSWORD_RESET"]
    assert (await phone.raw("GET", verify["oobLink"].removeprefix(phone.url))).is_success
    assert (await asyncio.to_thread(auth.get_user, user["localId"], admin)).email_verified
    await phone.ask("resetPassword", oobCode=reset["oobCode"], newPassword="new horse")
    assert (await phone.ask("signInWithPassword", email=WHO["email"], password="new horse"))["localId"]
    used = await phone.ask("resetPassword", oobCode=reset["oobCode"], newPassword="third horse")
    assert used["error"]["message"] == "INVALID_OOB_CODE"


async def test_androids_names_of_the_operations_and_a_browsers_preflight_work(phone: Phone) -> None:
    """Android calls the older names; a browser asks first whether it may."""
    old = "/www.googleapis.com/identitytoolkit/v3/relyingparty"
    signed_up = (await phone.raw("POST", f"{old}/signupNewUser", json=WHO)).json()
    signed_in = (await phone.raw("POST", f"{old}/verifyPassword", json=WHO)).json()
    assert signed_up["localId"] == signed_in["localId"]
    preflight = await phone.raw(
        "OPTIONS",
        "/identitytoolkit.googleapis.com/v1/accounts:signUp",
        headers={
            "Origin": "http://localhost:5173",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-client-version",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"


async def test_what_is_not_served_says_so_and_users_may_not_do_what_the_admin_may(phone: Phone) -> None:
    """501 names the operation; without the owner's token the Admin SDK's addresses are closed."""
    sms = await phone.ask("sendVerificationCode", phoneNumber="+15555550100")
    assert sms["error"]["code"] == 501
    assert "sendVerificationCode" in sms["error"]["message"]
    created = f"/identitytoolkit.googleapis.com/v1/projects/{PROJECT}/accounts"
    assert (await phone.raw("POST", created, json={"localId": "eve"})).status_code == 401
    deletion = await phone.ask("delete", localId="alice")
    assert deletion["error"]["message"] == "MISSING_ID_TOKEN"
