"""ID tokens that are really signed, and those that only pretend, at a function that runs as it is deployed.

The function is a process of its own that has no Auth emulator, and what Cloud Run's metadata server gives it for a
credential; it reaches Google at Google's addresses, where tests/support/google_auth.py answers. It lacks `K_SERVICE`
alone, with which it would refuse Firestore's emulator.
"""

import asyncio
import json
import os
import secrets
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.responses import JSONResponse, PlainTextResponse, Response

from local.ports import free_ports
from local.tokens import unsigned_token
from tests.support.google_auth import ACCOUNTS, KEYS, GoogleAuth, SigningKey, hs256, segment, token
from tests.support.patience import PATIENCE_SECONDS, patience
from tests.support.processes import answers, clean_environment, start_function

pytestmark = pytest.mark.asyncio(loop_scope="module")
STRANGER = SigningKey("google-1")
# https://www.uvicorn.org/settings/#resource-limits: --h11-max-incomplete-event-size
_MOST_HEADER_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A running function, and what it has logged."""

    client: httpx.AsyncClient
    google: GoogleAuth
    log: list[str]

    async def ask(self, token: str) -> tuple[int, str]:
        """Ask with this token; returns the status and the error's code, if any."""
        return outcome(await self.client.get("/", headers={"Authorization": f"Bearer {token}"}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployed]:
    """`getBatchStats`, deployed."""
    folder = tmp_path_factory.mktemp("deployed")
    project = f"test-{secrets.token_hex(6)}"
    async with GoogleAuth(project).serve(folder) as google:
        port = free_ports(1)[0]
        environment = {
            **clean_environment(),
            **google.environment,
            "FIRESTORE_EMULATOR_HOST": os.environ["FIRESTORE_EMULATOR_HOST"],
            "GOOGLE_CLOUD_PROJECT": project,
        }
        function = await start_function("get_batch_stats", port, environment)
        log: list[str] = []
        reading = asyncio.create_task(_read(function, log))
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS, trust_env=False
            ) as client:
                await answers(client, f"http://127.0.0.1:{port}/robots.txt")
                yield Deployed(client=client, google=google, log=log)
        finally:
            function.terminate()
            await function.wait()
            await reading


async def _read(function: Process, log: list[str]) -> None:
    assert function.stdout
    async for line in function.stdout:
        log.append(line.decode())  # noqa: PERF401 - a test reads it while it grows


@pytest.fixture
def deployed(process: Deployed) -> Deployed:
    """The same process, with a Google that has forgotten the last test."""
    process.google.reset()
    return process


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """The status, and the code of an error in the one form."""
    error = answer.json().get("error", {"code": "", "message": ""})
    assert error.keys() == {"code", "message"}
    return answer.status_code, error["code"]


async def test_an_admin_is_let_in_and_firebase_auth_is_asked_once(deployed: Deployed) -> None:
    """The signature is right, and the user was neither disabled nor signed out; that is what a request costs."""
    assert await deployed.ask(deployed.google.token(admin=True)) == (200, "")
    assert deployed.google.asked.count(ACCOUNTS) == 1


async def test_a_user_who_is_no_admin_is_refused_and_costs_no_call(deployed: Deployed) -> None:
    """403 by the token alone: a user of the app cannot use up the quota of Firebase Auth."""
    deployed.google.hang_up(ACCOUNTS)

    for claims in ({}, {"admin": False}, {"admin": "true"}, {"admin": 1}, {"role": "admin"}):
        assert await deployed.ask(deployed.google.token(**claims)) == (403, "permission_denied")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 60},
        {"iat": int(time.time()) + 600},
        {"aud": "another-project", "iss": "https://securetoken.google.com/another-project"},
        {"aud": "another-project"},
        {"iss": "https://securetoken.google.com/another-project"},
        {"iss": "https://accounts.google.com"},
        {"aud": ["another-project"]},
        {"aud": None},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 129},
        {"exp": None},
        {"iat": None},
        {"exp": "tomorrow"},
        {"iat": []},
    ],
    # By name alone: two workers that collect the tests in different seconds must find the same ones.
    ids="-".join,
)
async def test_a_token_that_google_signed_for_something_else_is_refused(
    deployed: Deployed, claims: dict[str, Any]
) -> None:
    """Expired, not valid yet, another project's, or without a user: the signature alone is not enough."""
    assert await deployed.ask(deployed.google.token(admin=True, **claims)) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("header", "forgery"),
    [
        ({"alg": "RS256", "kid": "google-1"}, "by a stranger's key under Google's name"),
        ({"alg": "RS256", "kid": "google-2"}, "by an unknown key"),
        ({"alg": "RS256", "kid": ["google-1"]}, "by a key whose name is no text"),
        ({"alg": "RS256"}, "by a key without a name"),
        ({"alg": "HS256", "kid": "google-1"}, "with the certificate as the secret"),
        ({"alg": "HS256", "kid": "google-1"}, "with the public key as the secret"),
        ({"alg": "none", "kid": "google-1"}, "not at all"),
        ({"alg": "none"}, "not at all"),
        ({"alg": "None", "kid": "google-1"}, "not at all"),
        ({"alg": "RS256", "kid": "google-1"}, "not at all"),
        ({"alg": ["RS256"], "kid": "google-1"}, "by a stranger's key under Google's name"),
        ({"alg": "ES256", "kid": "google-1"}, "by a stranger's key under Google's name"),
        ({"alg": "RS256", "kid": "google-1", "jwk": {"kty": "RSA"}, "jku": "https://evil.example.com"}, "by its own"),
    ],
)
async def test_a_forged_token_is_refused(deployed: Deployed, header: dict[str, Any], forgery: str) -> None:
    """Every known way to sign a token without Google's private key; none of them causes a call to Firebase Auth."""
    key = deployed.google.key
    sign: Callable[[bytes], bytes] = STRANGER.sign
    if "secret" in forgery:
        sign = hs256(key.certificate if "certificate" in forgery else key.public)
    elif forgery == "not at all":
        sign = unsigned

    forged = token(deployed.google.project, "root", header, sign, admin=True)

    assert await deployed.ask(forged) == (401, "unauthenticated")
    assert ACCOUNTS not in deployed.google.asked


def unsigned(_: bytes) -> bytes:
    """No signature."""
    return b""


async def test_a_changed_claim_is_refused(deployed: Deployed) -> None:
    """The signature covers the claims: a user does not become an admin by writing so."""
    header, _, signature = deployed.google.token("alice").split(".")
    claims = unsigned_token(deployed.google.project, "alice", admin=True).split(".")[1]

    assert await deployed.ask(f"{header}.{claims}.{signature}") == (401, "unauthenticated")


async def test_the_emulators_unsigned_tokens_are_worth_nothing(deployed: Deployed) -> None:
    """What the Auth emulator's variable makes valid elsewhere."""
    unsigned = unsigned_token(deployed.google.project, "root", admin=True)

    assert await deployed.ask(unsigned) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "garbage",
    [
        "nonsense",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "...",
        "%%%.%%%.%%%",
        f"{segment(b'[]')}.{segment(b'[]')}.",
        f"{segment(b'7')}.{segment(b'7')}.",
        f"{segment(b'{}')}.{segment(b'null')}.AAAA",
        f"{segment(b'{')}.{segment(b'{')}.AAAA",
        f"{segment(bytes([255, 254]))}.{segment(b'{}')}.AAAA",
        f"{segment(b'[' * 7000)}.{segment(b'{}')}.AAAA",
        f"{segment(json.dumps({'alg': 'HS256'}).encode())}.{segment(json.dumps({'v': 0, 'd': 7}).encode())}.AAAA",
    ],
    ids=lambda garbage: garbage[:20],
)
async def test_garbage_is_refused(deployed: Deployed, garbage: str) -> None:
    """401 for what is no token at all, however deep or broken; no service is asked about it."""
    assert await deployed.ask(garbage) == (401, "unauthenticated")
    assert not deployed.google.asked


@pytest.mark.parametrize("header", ["", "Bearer", "Basic TOKEN", "TOKEN", "Token TOKEN", "Bearer TOKEN TOKEN"])
async def test_a_true_token_in_another_form_is_refused(deployed: Deployed, header: str) -> None:
    """It is a bearer token, and the only one."""
    headers = {"Authorization": header.replace("TOKEN", deployed.google.token(admin=True))} if header else {}

    assert outcome(await deployed.client.get("/", headers=headers)) == (401, "unauthenticated")


async def test_a_token_anywhere_else_is_not_looked_at(deployed: Deployed) -> None:
    """Addresses are logged on the way, and cookies are sent by browsers unasked."""
    true = deployed.google.token(admin=True)

    for where in ({"params": {"access_token": true}}, {"headers": {"Cookie": f"__session={true}"}}):
        assert outcome(await deployed.client.get("/", **where)) == (401, "unauthenticated")  # type: ignore[arg-type]


async def test_two_authorization_headers_are_refused(deployed: Deployed) -> None:
    """Whichever comes first, and even if both are the same."""
    true, false = f"Bearer {deployed.google.token(admin=True)}", "Bearer nonsense"

    for two in ([true, false], [false, true], [true, true]):
        answer = await deployed.client.get("/", headers=[("Authorization", one) for one in two])
        assert outcome(answer) == (401, "unauthenticated")


async def test_headers_that_are_too_large_are_refused(deployed: Deployed) -> None:
    """431 above 16 KiB, whichever header it is; what the server itself refuses is a 400 without a trace, too."""
    true = {"Authorization": f"Bearer {deployed.google.token(admin=True)}"}

    for padding in ({"Authorization": f"Bearer {'x' * 17_000}"}, true | {"X-Padding": "x" * 17_000}):
        assert outcome(await deployed.client.get("/", headers=padding)) == (431, "too_large")
    # The server reads up to its own limit, and no byte lies unread when it hangs up: so its answer always arrives.
    head = f"GET / HTTP/1.1\r\nHost: functions\r\nAuthorization: {true['Authorization']}\r\nX-Padding: ".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", deployed.client.base_url.port)
    writer.write(head.ljust(_MOST_HEADER_BYTES + 1, b"x"))
    async with patience():
        huge = (await reader.read()).decode()
    writer.close()
    assert huge.startswith("HTTP/1.1 400 ")
    assert "Traceback" not in huge
    assert outcome(await deployed.client.get("/", headers=true | {"X-Padding": "x" * 12_000})) == (200, "")


@pytest.mark.parametrize(
    "user",
    [None, {"validSince": "CLOCK"}, {"disabled": True}],
    ids=["deleted", "signed out everywhere", "disabled"],
)
async def test_a_revoked_admin_is_refused(deployed: Deployed, user: dict[str, Any] | None) -> None:
    """A true token of an admin who has lost access. It still carries the claim for up to an hour."""
    true = deployed.google.token(admin=True)
    if user is None:
        deployed.google.users.clear()
    else:
        later = {"validSince": str(int(time.time()) + 10)} if "validSince" in user else user
        deployed.google.users["root"] |= later

    assert await deployed.ask(true) == (401, "unauthenticated")


@pytest.mark.parametrize("host", [KEYS, ACCOUNTS])
@pytest.mark.parametrize(
    "trouble",
    [
        None,
        PlainTextResponse("<html>busy</html>", 200),
        PlainTextResponse("<html>busy</html>", 502),
        JSONResponse({"error": {"code": 403, "message": "INSUFFICIENT_PERMISSION"}}, 403),
        JSONResponse({"error": {"code": 429, "message": "QUOTA_EXCEEDED"}}, 429),
    ],
    ids=["unreachable", "no JSON", "502", "403", "429"],
)
async def test_while_google_does_not_answer_no_admin_is_let_in(
    deployed: Deployed, host: str, trouble: Response | None
) -> None:
    """503 and a plain sentence, without a word of the library's; neither 401, which would sign people out, nor 500."""
    true = deployed.google.token(admin=True)
    if trouble is None:
        # Connections of earlier tests are kept open by the function, and lead past the proxy's door.
        deployed.google.hang_up(host)
    else:
        deployed.google.answers[host] = trouble

    answer = await deployed.client.get("/", headers={"Authorization": f"Bearer {true}"})

    assert outcome(answer) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["message"] == "Firebase Auth cannot be asked about the token now; try again."
    deployed.google.reset()
    assert await deployed.ask(true) == (200, "")


async def test_after_google_changed_its_keys_the_new_one_is_believed_and_the_old_one_is_not(
    deployed: Deployed,
) -> None:
    """Google's keys live for some days."""
    old, deployed.google.key = deployed.google.key, SigningKey("google-2")
    by_old = token(deployed.google.project, "root", {"alg": "RS256", "kid": old.kid}, old.sign, admin=True)

    assert await deployed.ask(deployed.google.token(admin=True)) == (200, "")
    assert await deployed.ask(by_old) == (401, "unauthenticated")


async def test_no_token_is_ever_logged(deployed: Deployed) -> None:
    """A valid one, a forged one, and one that could not be looked at leave no part of themselves."""
    true = deployed.google.token(admin=True)
    forged = f"{true[:-8]}AAAAAAAA"
    before = len(deployed.log)
    assert [(await deployed.ask(one))[0] for one in (true, forged)] == [200, 401]
    deployed.google.answers[ACCOUNTS] = PlainTextResponse("busy", 502)
    assert (await deployed.ask(true))[0] == 503

    async with patience():
        while '"token_not_verifiable"' not in "".join(deployed.log[before:]):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    logged = "".join(deployed.log)
    assert not [part for one in (true, forged) for part in one.split(".") if part in logged]
    assert "Traceback" not in logged
