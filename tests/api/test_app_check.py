"""App Check at a function that runs as it is deployed: only the app's own installations get past it."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from local.ports import free_ports
from tests.support.google_auth import ACCOUNTS, APP_CHECK, GoogleAuth
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import answers, clean_environment, start_function

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[httpx.AsyncClient, GoogleAuth]]:
    """`api` with NIGHTSHIFT_APP_CHECK and few requests a minute, and the Google that it asks."""
    project = f"test-{secrets.token_hex(6)}"
    async with GoogleAuth(project).serve(tmp_path_factory.mktemp("app-check")) as google:
        google.reset()
        port = free_ports(1)[0]
        environment = {
            **clean_environment(),
            **google.environment,
            "FIRESTORE_EMULATOR_HOST": os.environ["FIRESTORE_EMULATOR_HOST"],
            "GOOGLE_CLOUD_PROJECT": project,
            "NIGHTSHIFT_APP_CHECK": "true",
            "NIGHTSHIFT_API_REQUESTS_PER_MINUTE": "30",
        }
        function = await start_function("api", port, environment)
        assert function.stdout
        reading = asyncio.create_task(function.stdout.read())
        try:
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
                await answers(client, f"{url}/robots.txt")
                yield client, google
        finally:
            function.terminate()
            await function.wait()
            await reading


async def ask(served: tuple[httpx.AsyncClient, GoogleAuth], *tokens: str) -> tuple[int, str]:
    """Ask for the caller's account with these App Check tokens; returns the status and the error's code, if any."""
    client, google = served
    headers = [("Authorization", f"Bearer {google.token()}"), *(("X-Firebase-AppCheck", token) for token in tokens)]
    answer = await client.get("/v1/me", headers=headers)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


async def test_an_installation_of_the_app_is_let_in_by_keys_that_are_fetched_once(
    served: tuple[httpx.AsyncClient, GoogleAuth],
) -> None:
    """Two requests, one fetch; and health is public all the same."""
    client, google = served
    assert [await ask(served, google.app_check_token()) for _ in range(2)] == [(200, "")] * 2
    assert google.asked.count(APP_CHECK) == 1
    assert (await client.get("/v1/health")).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["projects/another"]},
        {"iss": "https://accounts.google.com"},
        {"exp": int(time.time()) - 60},
    ],
    ids="-".join,
)
async def test_a_token_of_another_project_or_time_is_refused(
    served: tuple[httpx.AsyncClient, GoogleAuth], claims: dict[str, Any]
) -> None:
    """The signature alone is not enough; an ID token, garbage, two of them and none are not, either."""
    _, google = served
    refused = (401, "app_not_verified")
    assert await ask(served, google.app_check_token(**claims)) == refused
    for tokens in ((), ("",), ("nonsense",), (google.token(),), (google.app_check_token(), google.app_check_token())):
        assert await ask(served, *tokens) == refused


async def test_an_admin_in_a_loop_does_not_use_up_firebase_auths_quota(
    served: tuple[httpx.AsyncClient, GoogleAuth],
) -> None:
    """What is refused with 429 was not asked about."""
    client, google = served
    google.users["busy"] = {"localId": "busy", "validSince": "0"}
    headers = {"Authorization": f"Bearer {google.token('busy', admin=True)}"}
    headers["X-Firebase-AppCheck"] = google.app_check_token()
    asked_before, statuses = google.asked.count(ACCOUNTS), list[int]()
    while 429 not in statuses:
        statuses.append((await client.get("/v1/scheduler", headers=headers)).status_code)

    assert set(statuses[:-1]) == {200}
    assert google.asked.count(ACCOUNTS) - asked_before == len(statuses) - 1
