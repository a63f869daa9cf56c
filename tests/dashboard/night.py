"""A night on the local stack, and the browser before it: one of both for all tests of the dashboard."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from playwright.async_api import Browser

from local.grant import grant_tokens
from local.stack import Options, Stack, running_stack
from local.tokens import unsigned_token
from tests.dashboard import month
from tests.dashboard.browser import browser_path, running_browser, visiting
from tests.support.patience import PATIENCE_SECONDS, patience

_MOMENT_SECONDS: Final = 0.2
_TICK: Final = {"message": {"data": "e30=", "attributes": {}}, "subscription": "tick"}
_SEED: Final = 19


class Night:
    """The stack, and a browser before it."""

    def __init__(self, stack: Stack, browser: Browser, client: httpx.AsyncClient) -> None:
        self.stack = stack
        self.browser = browser
        self.client = client
        self.url = stack.dashboard_url

    async def user(self, uid: str, *, tokens: int = 50, **claims: Any) -> None:
        """An account with a password, and tokens."""
        who = {"localId": uid, "email": f"{uid}@example.com", "password": "nightshift", "emailVerified": True}
        attributes = {"customAttributes": json.dumps(claims)} if claims else {}
        self.stack.users.admin.create(who | attributes)
        await grant_tokens(self.stack.firestore_host, self.stack.project, uid, tokens)

    async def api(self, method: str, path: str, uid: str = "admin", body: Any = None) -> Any:
        """Call the API as a user."""
        claims = {"admin": True} if uid == "admin" else {}
        answer = await self.client.request(
            method,
            f"{self.stack.function_urls['api']}/v1{path}",
            headers={"Authorization": f"Bearer {unsigned_token(self.stack.project, uid, **claims)}"},
            json=body,
        )
        answer.raise_for_status()
        return answer.json()

    async def provider(self, what: str, body: Any) -> None:
        """Tell the provider what to do: `faults`, `hold` or `release`."""
        control = f"{self.stack.openai_base_url.removesuffix('/v1')}/control/{what}"
        (await self.client.post(control, json=body)).raise_for_status()

    async def tick(self) -> None:
        """Deliver a tick, as Pub/Sub does."""
        event = {"ce-specversion": "1.0", "ce-id": "tick", "ce-source": "//pubsub.googleapis.com/"}
        kind = {"ce-type": "google.cloud.pubsub.topic.v1.messagePublished"}
        address = self.stack.function_urls["process_batch_jobs"]
        (await self.client.post(address, headers=event | kind, json=_TICK)).raise_for_status()

    async def store(self, documents: dict[str, dict[str, Any]]) -> None:
        """Put documents into the database, by their paths."""
        await month.store(self.stack.firestore_host, self.stack.project, documents)

    async def write(self, uid: str, text: str) -> str:
        """A job; returns its id."""
        job = {"type": "waste_classification", "input": {"text": text}}
        return str((await self.api("POST", "/jobs", uid, job))["id"])

    async def trouble(self, uid: str, text: str, message: str) -> str:
        """A job whose batches fail with this message, until its user's jobs wait in their lane; returns its id."""
        fault = {"kind": "batch", "fail_code": "invalid_request", "fail_message": message, "times": 3}
        await self.provider("faults", [fault])
        job_id = await self.write(uid, text)
        async with patience():
            while not any(
                lane["usersWaiting"] and lane["queued"] for lane in (await self.api("GET", "/queue"))["lanes"]
            ):
                await self.tick()
                await asyncio.sleep(_MOMENT_SECONDS)
        return job_id

    async def status(self, uid: str, path: str, *wanted: str) -> str:
        """Wait until what is at this path of the API is in one of these states."""
        async with patience():
            while True:
                now = str((await self.api("GET", path, uid))["status"])
                if now in wanted:
                    return now
                await asyncio.sleep(_MOMENT_SECONDS)

    async def batches(self, query: str, number: int) -> list[dict[str, Any]]:
        """Wait until so many batches match; returns them."""
        async with patience():
            while True:
                found: list[dict[str, Any]] = (await self.api("GET", f"/batches?{query}"))["batches"]
                if len(found) >= number:
                    return found
                await asyncio.sleep(_MOMENT_SECONDS)

    async def balance(self, uid: str) -> int:
        """The tokens of a user."""
        return int((await self.api("GET", "/me", uid))["wallet"]["balance"])

    def visit(self, **more: Any) -> Any:
        """A new visitor of the dashboard."""
        return visiting(self.browser, self.url, **more)


@asynccontextmanager
async def running_night() -> AsyncIterator[Night]:
    """A stack with an admin, and a month behind it that two ticks have counted. No other tick comes."""
    browser_path()
    options = Options(
        # Webhooks and calls for workers move everything.
        speed=0.001,
        dashboard=True,
        validating_seconds=0.1,
        in_progress_seconds=0.2,
        finalizing_seconds=0.1,
        settings={"NIGHTSHIFT_COALESCE_SECONDS": "0", "NIGHTSHIFT_API_REQUESTS_PER_MINUTE": "0"},
    )
    async with (
        running_stack(options, say=lambda _: None) as stack,
        running_browser() as browser,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        night, now = Night(stack, browser, client), datetime.now(UTC)
        await night.user("admin", admin=True)
        await night.store(dict(month.batches_of_a_month(now, random.Random(_SEED))))  # noqa: S311 - no secret
        await night.tick()
        # Of what the first tick finds, it is not known how recent it is: the next one opens the alert.
        await night.store(dict([month.batch_that_ended_badly(now)]))
        await night.tick()
        yield night
