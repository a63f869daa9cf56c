"""The dashboard in a real browser, against the whole local stack: an admin's and a user's journey."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page, Route, expect

from tests.dashboard.browser import addresses
from tests.dashboard.night import Night

HOSTILE: Final = '<img src=x onerror="document.title=1">{{name}}\u202e'
CSV: Final = f'id,name,material\n1,bottle,glass\n2,"{HOSTILE.replace(chr(34), chr(34) * 2)}",tin\n3,cup,unspeakable\n'
# Adds up how far what a person sees has jumped: https://web.dev/articles/cls
_JUMPS: Final = """
addEventListener("DOMContentLoaded", () => {
  window.jumped = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.jumped += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
});
"""
_HIDE: Final = """(isHidden) => {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_COUNT_CLICKS: Final = """
window.clicks = [];
addEventListener("click", ({ target }) => window.clicks.push(target.closest("a, button")?.innerText), true);
"""
_MOMENT_SECONDS: Final = 0.2

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


async def test_an_admin_finds_why_a_batch_failed_and_sends_its_jobs_again(night: Night) -> None:
    """From the first page, by clicks alone; the job is answered; its story and all failed jobs are one click away."""
    await night.user("carol")
    job_id = await night.trouble("carol", HOSTILE, f"Line 1 is odd: {HOSTILE}")

    async with night.visit() as visit:
        page = visit.page
        await page.add_init_script(_COUNT_CLICKS)
        await visit.sign_in("admin")
        await visit.heading("Now")
        await expect(page.get_by_text("Jobs of 1 user wait in")).to_be_visible()
        await page.get_by_role("link", name="Batches", exact=True).click()
        await visit.heading("Batches")
        await page.get_by_role("link", name="Failed", exact=True).click()
        await expect(page.get_by_role("cell").filter(has_text="Line 1 is odd").first).to_be_visible()
        await page.get_by_role("link", name="ns-").first.click()
        await visit.heading("Batch")
        await expect(page.get_by_role("alert")).to_contain_text("Line 1 is odd")
        await page.get_by_role("button", name="Send 1 queued job now").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Jobs of 1 user wait")
        await page.get_by_role("dialog").get_by_role("button", name="Send them now").click()
        await expect(page.get_by_role("status").filter(has_text="The order is on record")).to_be_visible()
        clicks = await page.evaluate("window.clicks")
        await night.status("carol", f"/jobs/{job_id}", "completed")
        assert len(dict.fromkeys(clicks)) == 6, clicks

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
    await night.provider("faults", [{"kind": "reply", "text": "unspeakable", "reply": {"refusal": "no"}}])
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
        assert await night.balance("dave") == 50, "nothing is charged before the yes"
        await page.get_by_role("dialog").get_by_role("button", name="Begin").click()
        await page.get_by_role("heading", name="Result files").wait_for()
        await expect(page.get_by_text("It begins.")).to_be_hidden()

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
        assert await night.balance("dave") == 47
        async with page.expect_event("requestfailed", lambda request: "cleardot" in request.url):
            # Firestore's SDK asks whether the network is there at all; the policy names that one address.
            await visit.context.set_offline(True)
        await expect(page.get_by_text("This device is offline.")).to_be_visible()
        await visit.context.set_offline(False)
        await expect(page.get_by_text("This device is offline.")).to_be_hidden()
        await visit.open("/now")
        await visit.heading("This page is for administrators")
        kept = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
        assert kept == '[{},{},""]', "nothing but Firebase's own database of the browser holds the session"


async def test_a_page_that_comes_late_does_not_take_the_place_of_the_next(night: Night) -> None:
    """Who goes on before a page's code is there stays on the page to which they went."""
    released = asyncio.Event()

    async def late(route: Route) -> None:
        await released.wait()
        await route.continue_()

    async with night.visit() as visit:
        page = visit.page
        await page.route("**/pages/alerts.js", late)
        await visit.sign_in("admin")
        await page.get_by_role("link", name="Alerts", exact=True).click()
        await page.get_by_role("link", name="Batches", exact=True).click()
        await visit.heading("Batches")
        released.set()
        await page.evaluate("import('/pages/alerts.js').then(() => new Promise((done) => setTimeout(done, 100)))")
        await expect(page.get_by_role("heading", name="Batches", level=1)).to_be_visible(timeout=1)


async def test_what_is_done_to_all_is_done_to_all_that_match_and_not_to_the_page_that_is_shown(night: Night) -> None:
    """Of three open batches one is shown; all are counted and priced. What ended meanwhile is named, the rest stops."""
    await night.user("gus")
    await night.provider("hold", {"status": "in_progress"})
    before: list[dict[str, Any]] = []
    for text in ("a tin", "a jar", "a cup"):
        await night.write("gus", text)
        before = await night.batches("open=true", len(before) + 1)

    async def short(route: Route) -> None:
        await route.continue_(url=route.request.url.replace("pageSize=25", "pageSize=1"))

    async with night.visit() as visit:
        page = visit.page
        await visit.sign_in("admin")
        await page.route("**/v1/batches?*", short)
        await visit.open("/batches?status=open")
        await expect(page.get_by_role("button", name="Show more")).to_be_visible()
        await expect(page.get_by_role("link", name="ns-")).to_have_count(1)
        await page.get_by_role("button", name="Cancel all").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("heading")).to_have_text("Cancel all: 3 batches with 3 jobs?")
        await expect(dialog).to_contain_text(re.compile(r"Up to \$0\.00\d\d of the provider's price is spared"))
        ended = f"/batches/{before[0]['id']}"
        await night.api("POST", f"{ended}/cancel")
        await night.status("admin", ended, "cancelled")
        await dialog.get_by_role("button", name="Cancel all").click()
        told = page.get_by_role("status").filter(has_text="2 batches are being stopped")
        await expect(told).to_contain_text("Left out: 1, since: The batch has ended: it is cancelled.")
        for batch in before:
            await night.status("admin", f"/batches/{batch['id']}", "cancelled")
        assert await night.balance("gus") == 50
        await night.provider("release", {})

    items = [{"text": "a lid"}, {"text": "a bag"}]
    bulks = [await night.api("POST", "/bulk-jobs", "gus", _bulk(items, mode)) for mode in ("batch", "instant")]
    for bulk in bulks:
        await night.status("gus", f"/bulk-jobs/{bulk['id']}", "quoted")
    async with night.visit() as visit:
        await visit.sign_in("gus")
        await visit.follow("/bulk?status=quoted")
        await _do_to_all(visit.page, "Begin all", "They cost 12 tokens together.")
        for bulk in bulks:
            await night.status("gus", f"/bulk-jobs/{bulk['id']}", "completed")
        assert await night.balance("gus") == 38
        await visit.follow("/bulk?status=completed")
        await visit.page.get_by_role("button", name="Run the rest of all").click()
        await expect(visit.page.get_by_role("dialog")).to_contain_text("Nothing matches now.")


def _bulk(items: list[dict[str, str]], mode: str) -> dict[str, object]:
    return {"type": "waste_classification", "items": items, "mode": mode}


async def _do_to_all(page: Page, label: str, said: str) -> None:
    await page.get_by_role("button", name=label).click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(said)
    await dialog.get_by_role("button", name=label).click()
    await expect(page.get_by_text("2 bulk jobs: the wish is on record.")).to_be_visible()


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
