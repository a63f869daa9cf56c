"""A real browser, and what its pages did wrong: errors on the console, and what the Content-Security-Policy refused."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.support.patience import PATIENCE_SECONDS

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_HOW: Final = "No browser is on this computer: `apt-get install chromium`, or name one in CHROMIUM."
# What Chromium says of an answer that is no success; the page itself tells the person.
_OF_THE_NETWORK: Final = "Failed to load resource"
_FOLLOW: Final = "(path) => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }"
WIDE, NARROW = 1280, 320


def browser_path() -> str:
    """Chromium, or one that speaks as it does; without one the test is skipped."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(_HOW)
    return found


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """A browser without a window."""
    path = browser_path()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visit:
    """A person at the dashboard, and what went wrong there."""

    page: Page
    context: BrowserContext
    url: str
    # Errors on the console, and of scripts. What the network refused is not among them: the page tells it.
    errors: list[str] = field(default_factory=list)
    # Every address that was asked for.
    asked: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Go to a page by its address."""
        await self.page.goto(self.url + path)

    async def follow(self, path: str) -> None:
        """Go to a page of ours as the Back button does, without loading all anew."""
        await self.page.evaluate(_FOLLOW, path)
        await self.page.locator("main h1").wait_for()

    async def sign_in(self, who: str) -> None:
        """Sign in as a person does, and wait for the first page."""
        await self.open("/")
        await self.page.get_by_label("E-mail address").fill(f"{who}@example.com")
        await self.page.get_by_label("Password").fill("nightshift")
        await self.page.get_by_role("button", name="Sign in").click()
        # On a narrow window it is in the menu, which is closed.
        await self.page.locator(".whoami").wait_for(state="attached")
        await self.page.locator("main h1:not(:text('Sign in'))").wait_for()

    async def heading(self, name: str) -> None:
        """Wait for the page of this title."""
        await self.page.get_by_role("heading", name=name, level=1, exact=True).wait_for()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_OF_THE_NETWORK):
            self.errors.append(message.text)

    def listen(self) -> None:
        """Take down all that goes wrong from now on."""
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, *, width: int = WIDE, scheme: str = "light", **more: Any
) -> AsyncIterator[Visit]:
    """A new visitor, who has no session yet. At the end nothing may have gone wrong."""
    size: Any = {"width": width, "height": 900 if width == WIDE else 640}
    wanted: dict[str, Any] = {"color_scheme": scheme, "viewport": size, "timezone_id": "Asia/Kolkata"} | more
    context = await browser.new_context(**wanted)
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    visit = Visit(await context.new_page(), context, url)
    visit.listen()
    try:
        yield visit
    finally:
        await context.close()
    assert visit.errors == []


def addresses(visit: Visit, ending: str) -> Sequence[str]:
    """What was asked for whose address ends so."""
    return [address for address in visit.asked if address.endswith(ending)]
