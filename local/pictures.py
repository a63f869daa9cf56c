"""Draws docs/dashboard.png: the first page of an admin, in Chromium, from a night on the local stack.

python -m local.pictures
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import Browser, async_playwright

from local.errors import StackError
from local.grant import grant_tokens
from local.lanes import LOCAL_LANES
from local.part import ROOT
from local.stack import Options, Stack, running_stack
from local.tokens import unsigned_token

PICTURE: Final = ROOT / "docs" / "dashboard.png"
_FLAGS: Final = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
_USERS: Final = ("alice", "bob", "chen")
# What is at the provider while the picture is taken, in a lane each.
_LAST: Final = {"alice": 30, "bob": 12, "chen": 7}
_TYPES: Final = ("waste_classification", *(lane.job_type for lane in LOCAL_LANES))
_PATIENCE_SECONDS: Final = 400


def main() -> int:
    """Draw it; returns the exit code."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("No browser is on this computer: install Chromium, or name one in CHROMIUM.", file=sys.stderr)
        return 1
    try:
        asyncio.run(_draw(browser))
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Drawn: {PICTURE.relative_to(ROOT)}")
    return 0


async def _draw(path: str) -> None:
    # A tick every ten seconds. The last batches stay at the provider for as long as a picture takes.
    options = Options(
        speed=60,
        dashboard=True,
        lanes=LOCAL_LANES,
        in_progress_seconds=20,
        settings={"NIGHTSHIFT_COALESCE_SECONDS": "2"},
    )
    async with running_stack(options) as stack, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        await _spend_a_night(stack)
        await _take(stack, browser, PICTURE)
        await browser.close()


async def _spend_a_night(stack: Stack) -> None:
    """Three users write jobs, which are answered; then some more, which are not yet."""
    stack.users.admin.create(
        {
            "localId": "admin",
            "email": "admin@example.com",
            "password": "nightshift",
            "emailVerified": True,
            "customAttributes": '{"admin": true}',
        }
    )
    async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE_SECONDS) as client:
        for uid in _USERS:
            await grant_tokens(stack.firestore_host, stack.project, uid, 200)
            await _write(client, stack, uid, "waste_classification", 40)
        await _until(partial(_is_counted, client, stack, 40 * len(_USERS)))
        for (uid, number), job_type in zip(_LAST.items(), _TYPES, strict=True):
            await _write(client, stack, uid, job_type, number)
        await _until(partial(_is_at_the_provider, client, stack, sum(_LAST.values())))


async def _write(client: httpx.AsyncClient, stack: Stack, uid: str, job_type: str, number: int) -> None:
    jobs = [{"type": job_type, "input": {"text": f"thing {at}"}} for at in range(number)]
    token = unsigned_token(stack.project, uid)
    answer = await client.post(
        f"{stack.function_urls['api']}/v1/jobs/bulk",
        headers={"Authorization": f"Bearer {token}"},
        json={"jobs": jobs},
    )
    answer.raise_for_status()


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what other processes do."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await is_so():  # noqa: ASYNC110 - what it waits for is in another process
                await asyncio.sleep(1)
    except TimeoutError:
        raise StackError(f"The night was not over after {_PATIENCE_SECONDS} seconds.") from None


async def _is_counted(client: httpx.AsyncClient, stack: Stack, number: int) -> bool:
    """Whether a tick has counted so many answers: it leaves those of the last two minutes to the next one."""
    today = (await _admin(client, stack, "/dashboard"))["today"]
    return bool(today["completed"] + today["failed"] >= number)


async def _is_at_the_provider(client: httpx.AsyncClient, stack: Stack, number: int) -> bool:
    """Whether all of these jobs are there."""
    batches = (await _admin(client, stack, "/batches?open=true"))["batches"]
    sent: int = sum(batch["jobs"] for batch in batches if batch["status"] == "submitted")
    return sent >= number


async def _admin(client: httpx.AsyncClient, stack: Stack, path: str) -> dict[str, Any]:
    token = unsigned_token(stack.project, "admin", admin=True)
    answer = await client.get(f"{stack.function_urls['api']}/v1{path}", headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()
    shown: dict[str, Any] = answer.json()
    return shown


async def _take(stack: Stack, browser: Browser, picture: Path) -> None:
    page = await browser.new_page(viewport={"width": 1280, "height": 960}, color_scheme="light")
    await page.goto(stack.dashboard_url)
    await page.get_by_label("E-mail address").fill("admin@example.com")
    await page.get_by_label("Password").fill("nightshift")
    await page.get_by_role("button", name="Sign in").click()
    await page.locator(".verdict strong").wait_for()
    await page.screenshot(path=picture)


if __name__ == "__main__":
    sys.exit(main())
