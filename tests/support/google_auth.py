"""Google's side of Firebase Auth, at Google's own addresses, for a function that knows nothing of it.

A function that is started with `environment` goes through a proxy and trusts a certificate authority, both of this
test's own, and so meets this server at the address of Google's public keys and of Firebase Auth; its credential comes
from this server, too, as on Cloud Run from the metadata server. firebase-admin, google-auth and requests run as they
are: they fetch, cache, verify and ask over TLS.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.serve import serving
from local.tokens import unsigned_token

# Each by the address that firebase-admin has in its source.
KEYS: Final = "www.googleapis.com"
ACCOUNTS: Final = "identitytoolkit.googleapis.com"
APP_CHECK: Final = "firebaseappcheck.googleapis.com"
_KEYS_PATH: Final = "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
_METADATA: Final = "/computeMetadata/v1"


class SigningKey:
    """An RSA key and its certificate, as Google publishes those that sign ID tokens."""

    def __init__(self, kid: str, *hosts: str) -> None:
        self.kid = kid
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, kid)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
            .sign(self._private, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.private = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.public = (
            self._private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def sign(self, content: bytes) -> bytes:
        """RS256."""
        return self._private.sign(content, padding.PKCS1v15(), hashes.SHA256())


def token(project: str, uid: str, header: dict[str, Any], sign: Callable[[bytes], bytes], **claims: Any) -> str:
    """An ID token of `project` with this header and signature."""
    payload = unsigned_token(project, uid, **claims).split(".")[1]
    content = f"{segment(json.dumps(header).encode())}.{payload}"
    return f"{content}.{segment(sign(content.encode()))}"


def hs256(secret: str) -> Callable[[bytes], bytes]:
    """Signs with a secret, which a forger would like a public key to be."""
    return lambda content: hmac.digest(secret.encode(), content, hashlib.sha256)


def segment(content: bytes) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class GoogleAuth:
    """What Google knows and answers; a test changes it at will."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.key = SigningKey("google-1")
        self.users: dict[str, dict[str, Any]] = {}
        self.unreachable: set[str] = set()  # hosts whose connections are closed at once
        self.answers: dict[str, Response] = {}  # what a host answers in place of the truth
        self.asked: list[str] = []  # KEYS or ACCOUNTS for each request
        self.environment: dict[str, str] = {}
        self._tunnels: dict[asyncio.StreamWriter, str] = {}

    def token(self, uid: str = "root", **claims: Any) -> str:
        """A valid ID token, unless a claim makes it another one."""
        return token(self.project, uid, {"alg": "RS256", "kid": self.key.kid, "typ": "JWT"}, self.key.sign, **claims)

    def app_check_token(self, **claims: Any) -> str:
        """A valid App Check token, unless a claim makes it another one.

        https://firebase.google.com/docs/app-check/custom-resource-backend#other
        """
        now = int(time.time())
        payload = {
            "iss": f"https://{APP_CHECK}/1234567890",
            "aud": ["projects/1234567890", f"projects/{self.project}"],
            "sub": "1:1234567890:android:321abc456def7890",
            "iat": now,
            "exp": now + 3600,
            **claims,
        }
        header = {"alg": "RS256", "kid": self.key.kid, "typ": "JWT"}
        content = ".".join(segment(json.dumps(part).encode()) for part in (header, payload))
        return f"{content}.{segment(self.key.sign(content.encode()))}"

    def reset(self) -> None:
        """One active user, and everything is reachable."""
        self.users = {"root": {"localId": "root", "validSince": str(int(time.time()) - 60)}}
        self.unreachable.clear()
        self.answers.clear()
        self.asked.clear()

    def hang_up(self, host: str) -> None:
        """Close every connection to `host`, and take no new one."""
        self.unreachable.add(host)
        for tunnel in [tunnel for tunnel, wanted in self._tunnels.items() if wanted == host]:
            tunnel.transport.abort()

    @asynccontextmanager
    async def serve(self, folder: Path) -> AsyncIterator["GoogleAuth"]:
        """Serve while the `async with` lasts; its certificate authority lies in `folder`."""
        tls = SigningKey("test", KEYS, ACCOUNTS, APP_CHECK)
        authority = folder / "authority.pem"
        private = folder / "private.pem"
        authority.write_text(tls.certificate)
        private.write_text(tls.private)
        routes = [
            Route(_KEYS_PATH, self._keys),
            Route("/v1/jwks", self._app_check_keys),
            Route(f"/v1/projects/{self.project}/accounts:lookup", self._lookup, methods=["POST"]),
            Route(f"/v1/projects/{self.project}/accounts:delete", self._delete, methods=["POST"]),
            Route(f"{_METADATA}/{{path:path}}", self._metadata),
            Route("/", self._metadata),
        ]
        app = Starlette(routes=routes)
        async with (
            serving(app) as metadata,
            serving(app, ssl_certfile=str(authority), ssl_keyfile=str(private)) as google,
            await asyncio.start_server(lambda r, w: self._connect(google, r, w), "127.0.0.1", 0) as proxy,
        ):
            host, port = proxy.sockets[0].getsockname()
            self.environment = {
                "HTTPS_PROXY": f"http://{host}:{port}",
                "NO_PROXY": "127.0.0.1,localhost",
                "REQUESTS_CA_BUNDLE": str(authority),
                "SSL_CERT_FILE": str(authority),
                "GCE_METADATA_HOST": metadata,
                "GCE_METADATA_IP": metadata,
            }
            yield self

    async def _connect(self, google: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One tunnel of the proxy: to whatever host it is wanted, it leads to us."""
        upstream = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            host = head.split()[1].decode().partition(":")[0]
            if host in self.unreachable:
                return
            address, port = google.split(":")
            there, upstream = await asyncio.open_connection(address, int(port))
            self._tunnels[writer] = host
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pass_on(reader, upstream), _pass_on(there, writer))
        finally:
            self._tunnels.pop(writer, None)
            for end in (writer, upstream):
                if end:
                    end.close()

    async def _keys(self, _: Request) -> Response:
        self.asked.append(KEYS)
        # Google says six hours; here each verification asks again, so that a test can take the keys away.
        return self.answers.get(KEYS) or JSONResponse(
            {self.key.kid: self.key.certificate}, headers={"Cache-Control": "public, max-age=0, must-revalidate"}
        )

    async def _app_check_keys(self, _: Request) -> Response:
        self.asked.append(APP_CHECK)
        key = json.loads(RSAAlgorithm.to_jwk(RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(self.key.public)))
        return JSONResponse({"keys": [{**key, "kid": self.key.kid, "alg": "RS256", "use": "sig"}]})

    async def _lookup(self, request: Request) -> Response:
        self.asked.append(ACCOUNTS)
        if ACCOUNTS in self.answers:
            return self.answers[ACCOUNTS]
        if request.headers.get("authorization") != "Bearer of-the-function":
            return PlainTextResponse("who are you?", 401)
        asked = (await request.json())["localId"]
        found = [self.users[uid] for uid in asked if uid in self.users]
        return JSONResponse({"kind": "identitytoolkit#GetAccountInfoResponse"} | ({"users": found} if found else {}))

    async def _delete(self, request: Request) -> Response:
        """https://cloud.google.com/identity-platform/docs/reference/rest/v1/projects.accounts/delete"""
        self.asked.append(ACCOUNTS)
        if request.headers.get("authorization") != "Bearer of-the-function":
            return PlainTextResponse("who are you?", 401)
        if self.users.pop((await request.json())["localId"], None) is None:
            return JSONResponse({"error": {"code": 400, "message": "USER_NOT_FOUND"}}, 400)
        return JSONResponse({"kind": "identitytoolkit#DeleteAccountResponse"})

    async def _metadata(self, request: Request) -> Response:
        """The metadata server (https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys)."""
        account = "instance/service-accounts/default/"
        answers: dict[str, Any] = {
            f"{account}token": {"access_token": "of-the-function", "expires_in": 3600, "token_type": "Bearer"},
            account: {"email": "functions@test.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]},
            "project/project-id": self.project,
            "universe/universe-domain": "googleapis.com",
        }
        answer = answers.get(request.path_params.get("path", ""), "")
        response = PlainTextResponse(answer) if isinstance(answer, str) else JSONResponse(answer)
        response.headers["Metadata-Flavor"] = "Google"
        return response


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()
