"""The dashboard in a real browser, against the whole local stack: an admin's and a user's journey, and what disturbs.

One stack for all of these tests. Each has a user of its own, or one that it only looks at.
"""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Response, Route, expect

from local.grant import grant_tokens
from local.part import ROOT
from local.stack import Options, Stack, running_stack
from local.tokens import unsigned_token
from tests.dashboard.browser import NARROW, WIDE, Visit, addresses, browser_path, running_browser, visiting
from tests.dashboard.looks import is_broken
from tests.support.patience import PATIENCE_SECONDS, patience

AXE = ROOT / "tests" / "javascript" / "node_modules" / "axe-core" / "axe.min.js"
MOST_FIRST_BYTES = 150_000
HOSTILE = '<img src=x onerror="document.title=1">{{name}}\u202e'
CSV = f'id,name,material\n1,bottle,glass\n2,"{HOSTILE.replace(chr(34), chr(34) * 2)}",tin\n3,cup,unspeakable\n'
# Adds up how far what a person sees has jumped: https://web.dev/articles/cls
_JUMPS = """
addEventListener("DOMContentLoaded", () => {
  window.jumped = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.jumped += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
});
"""
_HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_IS_INSIDE = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
_FOREIGN_IMAGE = """() => new Promise((resolve) => {
  addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
  new Image().src = "https://example.com/x.png";
})"""
_MOMENT_SECONDS = 0.2
_PAGES_OF_ADMINS = ("/now", "/batches", "/jobs", "/thirty-days", "/alerts", "/report")
_PAGES_OF_USERS = ("/bulk", "/bulk/new", "/wallet")

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


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

    async def api(self, method: str, path: str, uid: str, body: Any = None, **claims: Any) -> Any:
        """Call the API as a user."""
        token = unsigned_token(self.stack.project, uid, **claims)
        answer = await self.client.request(
            method,
            f"{self.stack.function_urls['api']}/v1{path}",
            headers={"Authorization": f"Bearer {token}"},
            json=body,
        )
        answer.raise_for_status()
        return answer.json()

    async def fault(self, **fault: Any) -> None:
        """Let the provider do something wrong."""
        control = self.stack.openai_base_url.removesuffix("/v1") + "/control/faults"
        (await self.client.post(control, json=[fault])).raise_for_status()

    async def write(self, uid: str, text: str) -> str:
        """A job; returns its id."""
        job = {"type": "waste_classification", "input": {"text": text}}
        return str((await self.api("POST", "/jobs", uid, job))["id"])

    async def status(self, uid: str, job_id: str, *wanted: str) -> str:
        """Wait until the job is in one of these states."""
        async with patience():
            while True:
                now = str((await self.api("GET", f"/jobs/{job_id}", uid))["status"])
                if now in wanted:
                    return now
                await asyncio.sleep(_MOMENT_SECONDS)

    def visit(self, **more: Any) -> Any:
        """A new visitor of the dashboard."""
        return visiting(self.browser, self.url, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def night() -> AsyncIterator[Night]:
    """A stack whose ticks come every two seconds, with an admin."""
    browser_path()
    options = Options(
        # Webhooks and calls for workers move everything: no tick comes.
        speed=0.001,
        dashboard=True,
        validating_seconds=0.1,
        in_progress_seconds=0.2,
        finalizing_seconds=0.1,
        settings={"NIGHTSHIFT_COALESCE_SECONDS": "0"},
    )
    async with (
        running_stack(options, say=lambda _: None) as stack,
        running_browser() as browser,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        night = Night(stack, browser, client)
        await night.user("admin", admin=True)
        yield night


async def test_an_admin_finds_why_a_batch_failed_and_sends_its_jobs_again(night: Night) -> None:
    """From the first page, by clicks alone; the job is answered; its story and all failed jobs are one click away."""
    await night.user("carol")
    odd = f"Line 1 is odd: {HOSTILE}"
    await night.fault(kind="batch", fail_code="invalid_request", fail_message=odd)
    job_id = await night.write("carol", HOSTILE)
    # It waits for a tick, which does not come.
    await night.status("carol", job_id, "queued")
    async with patience():
        while not (await night.api("GET", "/batches?status=failed", "admin", admin=True))["batches"]:  # noqa: ASYNC110
            await asyncio.sleep(_MOMENT_SECONDS)

    async with night.visit() as visit:
        page = visit.page
        await visit.sign_in("admin")
        await visit.heading("Now")
        await page.get_by_role("link", name="Batches", exact=True).click()
        await visit.heading("Batches")
        await page.get_by_role("link", name="Failed", exact=True).click()
        await expect(page.get_by_role("cell").filter(has_text="Line 1 is odd").first).to_be_visible()
        await page.get_by_role("link", name="ns-").first.click()
        await visit.heading("Batch")
        await expect(page.get_by_role("alert")).to_contain_text("Line 1 is odd")
        await page.get_by_role("button", name="Send 1 queued job now").click()
        await page.get_by_role("dialog").get_by_role("button", name="Send them now").click()
        await expect(page.get_by_role("status").filter(has_text="The order is on record")).to_be_visible()
        assert await night.status("carol", job_id, "completed") == "completed"

        await page.get_by_role("link", name="Jobs", exact=True).click()
        await page.get_by_label("Job id").fill(job_id)
        await page.get_by_role("button", name="Show the job").click()
        await visit.heading("Job")
        await expect(page.get_by_text("1 token charged.")).to_be_visible()
        await page.get_by_role("link", name="carol").click()
        await expect(page.get_by_role("link", name=job_id)).to_be_visible()
        await page.get_by_label("Error code").fill("result_invalid")
        await page.get_by_role("button", name="Count them").click()
        await expect(page.get_by_text("No failed job matches.")).to_be_visible()

        await page.get_by_role("link", name="Now", exact=True).click()
        await page.get_by_role("button", name="Stop submission").click()
        await page.get_by_role("button", name="Stop it").click()
        await expect(page.get_by_text("Submission is stopped.")).to_be_visible()
        await page.get_by_role("button", name="Start submission").click()
        await expect(page.get_by_role("button", name="Stop submission")).to_be_visible()
        assert addresses(visit, "firebase-firestore.js") == [], "an admin's pages load no database"
        assert not [address for address in visit.asked if "eyJ" in address], "no token is in an address"


async def test_a_user_takes_a_table_through_quote_answers_retry_and_download(night: Night, tmp_path: Path) -> None:
    """Five rows first, then the price, then a yes; what failed is named by code, and run again; the wallet knows."""
    await night.user("dave")
    await night.fault(kind="reply", text="unspeakable", reply={"refusal": "no"})
    source = tmp_path / "list.csv"
    source.write_text(CSV)

    async with night.visit() as visit:
        page = visit.page
        await visit.sign_in("dave")
        await visit.heading("Bulk jobs")
        await expect(page.get_by_text("You have no bulk jobs yet.")).to_be_visible()
        await page.get_by_role("main").get_by_role("link", name="New bulk job").first.click()
        await visit.heading("New bulk job")
        await page.locator("#file").set_input_files(source)
        await page.get_by_label("About each row").select_option("waste_classification")
        await page.locator("#template").fill("What is a {{name}} of {{metal}}?")
        await expect(page.get_by_text("The file has no column metal.")).to_be_visible()
        await page.locator("#template").fill("What is a {{name}} of {{material}}?")
        shown = await page.locator(".texts pre").all_inner_texts()
        assert shown[:2] == ["What is a bottle of glass?", f"What is a {HOSTILE} of tin?"]
        await page.get_by_role("button", name="Upload, and get the price").click()
        await page.get_by_role("button", name="Begin for 3 tokens").click()
        assert await _balance(night, "dave") == 50, "nothing is charged before the yes"
        await page.get_by_role("dialog").get_by_role("button", name="Begin").click()
        await page.get_by_role("heading", name="Result files").wait_for()

        await expect(page.get_by_role("cell", name="provider_refused").first).to_be_visible()
        async with page.expect_popup() as popup:
            await page.get_by_role("button", name="All rows (JSONL)").click()
        await (await popup.value).close()
        await page.get_by_role("button", name="Run 1 row again").click()
        await page.get_by_role("button", name="Get the price").click()
        await page.get_by_role("button", name="Begin for 1 token").click()
        await page.get_by_role("dialog").get_by_role("button", name="Begin").click()
        await expect(page.locator(".legend")).to_have_text(re.compile(r"completed\s*3"))
        await page.get_by_role("link", name="Wallet").click()
        await visit.heading("Wallet")
        await expect(page.get_by_text("47", exact=True)).to_be_visible()
        assert await _balance(night, "dave") == 47
        await visit.open("/now")
        await visit.heading("This page is for administrators")
        kept = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert kept == '[{},{},""]', "nothing but Firebase's own database of the browser holds the session"


async def _balance(night: Night, uid: str) -> int:
    return int((await night.api("GET", "/me", uid))["wallet"]["balance"])


async def test_a_page_says_what_happened_and_goes_on_when_network_or_session_fail(night: Night) -> None:
    """Offline, slow, hidden, an expired token, a deleted account: the last answer stays, and a sentence says it."""
    await night.user("eve", admin=True)
    async with night.visit() as visit:
        page = visit.page
        await page.clock.install()
        await page.add_init_script(_JUMPS)
        await visit.sign_in("eve")
        await visit.heading("Now")
        await page.get_by_text("Ticks come, batches move").or_(page.locator(".verdict strong")).first.wait_for()

        await visit.context.set_offline(True)
        await page.clock.fast_forward(15_000)
        await expect(page.get_by_text("This device is offline.")).to_be_visible()
        await expect(page.get_by_text("Queued", exact=True).first).to_be_visible()
        await visit.context.set_offline(False)
        await page.clock.fast_forward(60_000)
        await expect(page.get_by_text("This device is offline.")).to_be_hidden()

        async def late(route: Route) -> None:
            await asyncio.sleep(_MOMENT_SECONDS)
            await route.continue_()

        await page.route("**/v1/**", late)
        await page.reload()
        await page.locator(".bone").first.wait_for()
        await page.locator(".bone").first.wait_for(state="detached")
        assert await page.evaluate("window.jumped") < 0.1
        await page.unroute("**/v1/**")

        await page.evaluate(_HIDE, True)
        visit.asked.clear()
        await page.clock.fast_forward(600_000)
        assert [address for address in visit.asked if "/v1/" in address] == []
        await page.evaluate(_HIDE, False)
        async with page.expect_response("**/v1/queue"):
            pass

        # A token holds for an hour; the next one comes without a word.
        await page.clock.fast_forward(2 * 3_600_000)
        async with page.expect_response("**/v1/queue") as answered:
            await page.clock.fast_forward(30_000)
        assert (await answered.value).status in {200, 304}
        night.stack.users.auth.accounts.delete("eve")
        await page.clock.fast_forward(2 * 3_600_000)
        await expect(page.get_by_text("Your session has ended.")).to_be_visible()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_every_page_is_for_everybody_and_looks_as_it_should(night: Night) -> None:
    """Axe finds nothing, nothing is wider than the window, and still pages look as their pictures do."""
    await night.user("fay")
    axe = AXE.read_text()
    broken: list[str] = []
    for width, scheme in ((WIDE, "light"), (NARROW, "dark")):
        async with night.visit(width=width, scheme=scheme, reduced_motion="reduce") as visit:
            await visit.open("/")
            await visit.heading("Sign in")
            broken += await _faults(visit, "sign-in", axe, f"{scheme}-{width}", pictured=True)
            await visit.sign_in("admin")
            for path in (*_PAGES_OF_ADMINS, *_PAGES_OF_USERS):
                await visit.follow(path)
                await visit.page.locator("main .bone").first.wait_for(state="detached")
                pictured = path in {"/jobs", "/bulk/new"}
                name = path.strip("/").replace("/", "-")
                broken += await _faults(visit, name, axe, f"{scheme}-{width}", pictured=pictured)

    assert broken == []


async def _faults(visit: Visit, name: str, axe: str, variant: str, *, pictured: bool) -> list[str]:
    page = visit.page
    await page.evaluate(axe)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = await page.evaluate("(tags) => axe.run(document, { runOnly: tags })", tags)
    where = f"{name} ({variant})"
    faults = [f"{where}: {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]
    widest = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if widest > 0:
        faults.append(f"{where}: {widest} px wider than the window")
    if pictured and is_broken(await page.screenshot(), f"{name}-{variant}"):
        faults.append(f"{where}: looks altogether different")
    return faults


async def test_the_keyboard_alone_does_everything(night: Night) -> None:
    """Signing in, the way past the menu, a dialog that keeps the focus and gives it back."""
    async with night.visit() as visit:
        page = visit.page
        await visit.open("/")
        await visit.heading("Sign in")
        for text in ("admin@example.com", "nightshift"):
            await page.keyboard.press("Tab")
            await page.keyboard.type(text)
        await page.keyboard.press("Enter")
        await visit.heading("Now")
        await page.get_by_role("button", name="Stop submission").wait_for()
        await page.reload()
        await page.get_by_role("button", name="Stop submission").wait_for()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="To the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Now", level=1)).to_be_focused()
        stop = page.get_by_role("button", name="Stop submission")
        while not await stop.evaluate("(one) => one === document.activeElement"):
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_be_visible()
        for _ in range(4):
            await page.keyboard.press("Tab")
            inside = await page.evaluate(_IS_INSIDE)
            assert inside, "the focus stays in the dialog"
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(stop).to_be_focused()


async def test_the_first_view_is_small_and_a_foreign_script_is_refused(night: Night) -> None:
    """What is loaded until an admin sees the first page, as Hosting compresses it; and what the policy keeps out."""
    async with night.visit() as visit:
        sizes: dict[str, int] = {}

        async def weigh(response: Response) -> None:
            if "/v1/" not in response.url and response.request.url.startswith(night.url) and response.ok:
                sizes[response.url] = len(gzip.compress(await response.body(), 6))

        visit.page.on("response", weigh)
        await visit.sign_in("admin")
        await visit.heading("Now")
        await visit.page.wait_for_load_state("networkidle")

        assert sum(sizes.values()) < MOST_FIRST_BYTES, sizes
        assert len(sizes) > 10
        refused = await visit.page.evaluate(_FOREIGN_IMAGE)
        assert refused == "img-src"
        assert visit.errors, "what the policy refuses is on the console, where these tests would see it"
        visit.errors.clear()
        answer = await night.client.get(f"{night.url}/now")
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
