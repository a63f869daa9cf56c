"""Firebase Auth over HTTP: the addresses that the SDKs of each platform call at an emulator.

Web and JavaScript call `identitytoolkit.googleapis.com/v1/accounts:signUp` and its like below the emulator's address;
Android calls the older names of the same operations. The Admin SDK names the project and sends `Bearer owner`.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from local.firebase.auth import Auth
from local.firebase.auth_admin import AuthAdmin
from local.firebase.errors import FirebaseError
from local.firebase.web import JsonObject, build_app, is_owner, read_object

_API = "/identitytoolkit.googleapis.com"
_OLD_API = "/www.googleapis.com/identitytoolkit/v3/relyingparty"
_OLD_NAMES = {
    "createAuthUri": "createAuthUri",
    "deleteAccount": "delete",
    "emailLinkSignin": "signInWithEmailLink",
    "getAccountInfo": "lookup",
    "getOobConfirmationCode": "sendOobCode",
    "resetPassword": "resetPassword",
    "setAccountInfo": "update",
    "signupNewUser": "signUp",
    "verifyAssertion": "signInWithIdp",
    "verifyCustomToken": "signInWithCustomToken",
    "verifyPassword": "signInWithPassword",
}

Welcome = Callable[[str], Awaitable[None]]


class AuthRoutes:
    """`app` serves the users of `project`; `welcome` is called with the uid of each new user before it is answered."""

    def __init__(self, project: str, welcome: Welcome | None = None) -> None:
        self.auth = Auth(project)
        self.admin = AuthAdmin(self.auth)
        self._project = project
        self._welcome = welcome

    @property
    def app(self) -> Starlette:
        """The ASGI app."""
        admin = f"{_API}/v1/projects/{{project}}"
        emulator = "/emulator/v1/projects/{project}"
        return build_app(
            [
                Route("/", self._ready, methods=["GET"]),
                Route(f"{_API}/v1/accounts:{{name}}", self._app_asks, methods=["POST"]),
                Route(f"{_OLD_API}/{{old_name}}", self._app_asks, methods=["POST"]),
                Route("/securetoken.googleapis.com/v1/token", self._renew, methods=["POST"]),
                Route(f"{_API}/v1/projects", self._project_config, methods=["GET"]),
                Route(f"{_OLD_API}/getProjectConfig", self._project_config, methods=["GET"]),
                Route(f"{_API}/v2/recaptchaConfig", self._nothing, methods=["GET"]),
                Route(f"{_API}/v2/passwordPolicy", self._password_policy, methods=["GET"]),
                Route(f"{admin}/accounts", self._create, methods=["POST"]),
                Route(f"{admin}/accounts:batchGet", self._page, methods=["GET"]),
                Route(f"{admin}/accounts:{{name}}", self._admin_asks, methods=["POST"]),
                Route(f"{emulator}/oobCodes", self._mails, methods=["GET"]),
                Route(f"{emulator}/accounts", self._clear, methods=["DELETE"]),
                Route(f"{emulator}/config", self._emulator_config, methods=["GET"]),
                Route("/emulator/action", self._follow_link, methods=["GET"]),
                Route("/{rest:path}", self._missing, methods=["GET", "POST", "PATCH", "PUT", "DELETE"]),
            ]
        )

    async def _ready(self, _request: Request) -> Response:
        return JSONResponse({"authEmulator": {"ready": True}})

    async def _app_asks(self, request: Request) -> Response:
        old_name = request.path_params.get("old_name")
        name = _OLD_NAMES.get(old_name, old_name) if old_name else request.path_params["name"]
        body = await read_object(request)
        # With the owner's token these addresses are the Admin SDK's, too.
        if is_owner(request) and name in self.admin.operations:
            return JSONResponse(self.admin.operations[name](body))
        if name == "sendOobCode":
            return JSONResponse(self.auth.mail(body, _own_url(request)))
        operation = self.auth.operations.get(name)
        if operation is None:
            raise _unserved(request)
        return await self._answer(operation(body))

    async def _admin_asks(self, request: Request) -> Response:
        self._check_owner(request)
        name, body = request.path_params["name"], await read_object(request)
        if name == "sendOobCode":
            return JSONResponse(self.admin.mail(body, _own_url(request)))
        operation = self.admin.operations.get(name)
        if operation is None:
            raise _unserved(request)
        return JSONResponse(operation(body))

    async def _create(self, request: Request) -> Response:
        self._check_owner(request)
        return await self._answer(self.admin.create(await read_object(request)) | {"isNewUser": True})

    async def _page(self, request: Request) -> Response:
        self._check_owner(request)
        return JSONResponse(self.admin.page(request.query_params))

    async def _renew(self, request: Request) -> Response:
        if request.headers.get("content-type", "").startswith("application/json"):
            return JSONResponse(self.auth.renew(await read_object(request)))
        form: dict[str, Any] = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        return JSONResponse(self.auth.renew(form))

    async def _project_config(self, _request: Request) -> Response:
        return JSONResponse({"projectId": self._project, "authorizedDomains": ["localhost", "127.0.0.1"]})

    async def _password_policy(self, _request: Request) -> Response:
        strength = {"minPasswordLength": 6, "maxPasswordLength": 4096}
        return JSONResponse(
            {
                "customStrengthOptions": strength,
                "schemaVersion": 1,
                "enforcementState": "OFF",
                "forceUpgradeOnSignin": False,
                "allowedNonAlphanumericCharacters": [],
            }
        )

    async def _nothing(self, _request: Request) -> Response:
        return JSONResponse({})

    async def _mails(self, _request: Request) -> Response:
        return JSONResponse({"oobCodes": self.auth.mailbox.all()})

    async def _clear(self, _request: Request) -> Response:
        self.auth.accounts.clear()
        return JSONResponse({})

    async def _emulator_config(self, _request: Request) -> Response:
        return JSONResponse({"signIn": {"allowDuplicateEmails": False}})

    async def _follow_link(self, request: Request) -> Response:
        """What a person does who follows the link of a mail; a new password stands in the address, as in Firebase's."""
        mode, code = request.query_params.get("mode"), request.query_params.get("oobCode")
        if mode == "verifyEmail":
            self.auth.update({"oobCode": code})
            return HTMLResponse("<p>The address is verified.</p>")
        if mode == "resetPassword":
            self.auth.reset_password({"oobCode": code, "newPassword": request.query_params.get("newPassword")})
            return HTMLResponse("<p>The code is valid. Add &amp;newPassword=... to the address to set a password.</p>")
        raise FirebaseError("This link is for the app, which signs in by it.")

    async def _missing(self, request: Request) -> Response:
        raise _unserved(request)

    async def _answer(self, told: JsonObject) -> Response:
        if told.get("isNewUser") and self._welcome and self.auth.accounts.find(uid := _uid(told, self.auth)):
            await self._welcome(uid)
        return JSONResponse(told)

    def _check_owner(self, request: Request) -> None:
        if not is_owner(request):
            raise FirebaseError("The Admin SDK sends the token of the owner.", 401)
        if request.path_params["project"] != self._project:
            raise FirebaseError(f"The local stack has the project {self._project} alone.", 404)


def _uid(told: JsonObject, auth: Auth) -> str:
    return str(told["localId"]) if "localId" in told else auth.sessions.account_of(told["idToken"])[0].uid


def _own_url(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _unserved(request: Request) -> FirebaseError:
    return FirebaseError(f"The local stack does not serve {request.method} {request.url.path}.", 501)
