"""Every page in a real browser: whom it serves, how it looks in its four forms, what it loads and keeps out."""

import gzip
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import pytest
from playwright.async_api import Locator, Response, expect

from local.part import ROOT
from tests.dashboard import month
from tests.dashboard.browser import Visit
from tests.dashboard.looks import FORMS, broken_forms
from tests.dashboard.night import Night

AXE: Final = ROOT / "tests" / "javascript" / "node_modules" / "axe-core" / "axe.min.js"
MOST_FIRST_BYTES: Final = 150_000
_TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# What a page is made of is the same in all forms; in the second one axe looks at what is not.
_AXE_BY_FORM: Final = {
    ("light", 1280): {"type": "tag", "values": _TAGS},
    ("dark", 320): {
        "type": "rule",
        "values": ("color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"),
    },
}
_RUN_AXE: Final = "(rules) => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })"
_IS_INSIDE: Final = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
_FOREIGN_IMAGE: Final = """() => new Promise((resolve) => {
  addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
  new Image().src = "https://example.com/x.png";
})"""
# Links within a sentence are left out, as WCAG 2.2 does; of a label, its whole area is clicked.
_SMALL_TARGETS: Final = """() => [...document.querySelectorAll("button, select, input, nav a, .button")]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.outerHTML.slice(0, 80), (each.closest("label") ?? each).getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 24 || height < 24)
  .map(([html]) => html)"""
_TABLES_WITHOUT_A_NAME: Final = (
    "[...document.querySelectorAll('table')].filter((each) => !each.caption?.innerText).length"
)
_HEADINGS: Final = "[...document.querySelectorAll('h1, h2, h3')].map(({ tagName }) => Number(tagName[1]))"
_PAGES: Final = (
    "/now",
    "/batches",
    "/jobs",
    "/thirty-days",
    "/alerts?of=all",
    "/report",
    "/bulk",
    "/bulk/new",
    "/wallet",
)
_LONG: Final = "Straßenbahnhaltestellenfahrplanaushang" * 4 + " \u0634\u064a\u0621 \u0637\u0648\u064a\u0644 \u202ednim"

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


async def test_every_page_is_for_everybody_and_looks_as_it_should(night: Night) -> None:
    """Axe finds nothing; nothing is wider than the window; each of the four forms looks as its picture does."""
    await night.user("fay", admin=True)
    # Of a bulk job a row fails, and texts are long, foreign and hostile.
    await night.provider("faults", [{"kind": "reply", "text": "mirror", "reply": {"refusal": _LONG}}])
    rows = [{"text": f"{_LONG} {number}"} for number in range(8)] + [{"text": "a mirror"}]
    wish = {"type": "waste_classification", "items": rows, "maxTokens": 9}
    bulk = (await night.api("POST", "/bulk-jobs", "fay", wish))["id"]
    await night.status("fay", f"/bulk-jobs/{bulk}", "completed")
    job_id = await night.trouble("fay", "a net", _LONG)
    (batch, *_) = await night.batches("status=failed", 3)
    details = {"batch": f"/batches/{batch['id']}", "job": f"/jobs/{job_id}", "bulk-job": f"/bulk/{bulk}"}
    names = {re.sub(r"\W+", "-", path.partition("?")[0].strip("/")): path for path in _PAGES}
    faults: list[str] = []

    async with night.visit(reduced_motion="reduce") as visit:
        await visit.page.add_init_script(path=AXE)
        await visit.open("/")
        await visit.heading("Sign in")
        faults += await _faults(visit, "sign-in")
        await visit.sign_in("fay")
        for name, path in {**names, **details}.items():
            await visit.follow(path)
            await visit.page.locator("main .bone").first.wait_for(state="detached")
            if name == "batch":
                # The queue is asked apart from the batch.
                await visit.page.get_by_role("button", name=re.compile(r"Send \d+ queued job")).wait_for()
            faults += await _faults(visit, name)

    assert not faults, "\n".join(faults)


async def _faults(visit: Visit, name: str) -> list[str]:
    page, faults, pictures = visit.page, list[str](), list[bytes]()
    for scheme, width in FORMS:
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await page.set_viewport_size({"width": width, "height": 900 if width > 1000 else 640})
        where = f"{name} ({scheme}-{width})"
        if rules := _AXE_BY_FORM.get((scheme, width)):
            found = await page.evaluate(_RUN_AXE, rules)
            faults += [f"{where}: {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]
            faults += [f"{where}: small: {each}" for each in await page.evaluate(_SMALL_TARGETS)]
        widest = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if widest > 0:
            faults.append(f"{where}: {widest} px wider than the window")
        pictures.append(await page.screenshot())
    levels = await page.evaluate(_HEADINGS)
    if levels[0] != 1 or any(after > before + 1 for before, after in pairwise(levels)):
        faults.append(f"{name}: the headings are {levels}")
    if await page.evaluate(_TABLES_WITHOUT_A_NAME):
        faults.append(f"{name}: a table has no caption")
    return [*faults, *(f"{name} looks altogether different: {form}" for form in broken_forms(name, pictures))]


async def test_a_month_is_drawn_told_and_saved_as_the_history_has_it(night: Night) -> None:
    """Bars are as high as the numbers beside them; alerts are seen by an admin; a report is a file."""
    metrics = await night.api("GET", "/metrics")
    today = f"{datetime.now(UTC).date()}"
    report = await night.api("GET", f"/report?period=month&day={today}")
    async with night.visit() as visit:
        page = visit.page
        await visit.sign_in("admin")
        await visit.heading("Now")
        await expect(page.get_by_text("20 of the last 40 jobs failed.")).to_be_visible()

        await page.get_by_role("link", name="Thirty days").click()
        await visit.heading("Thirty days")
        answers = page.locator(".panel").filter(has=page.get_by_role("heading", name="Answers a day"))
        await expect(page.locator(".figures")).to_contain_text(f"{metrics['total']['completed']:,}")
        await expect(answers.get_by_role("row")).to_have_count(31)
        heights = await _heights(answers.locator("svg[role=img] rect.bar:not(.is-bad)"))
        counted = [day["completed"] for day in metrics["days"] if day["completed"]]
        assert len(heights) == len(counted) > month.DAYS - 5
        assert [height / max(heights) for height in heights] == pytest.approx([n / max(counted) for n in counted])
        costs = page.locator(".panel").filter(has=page.get_by_role("heading", name="Cost, and what was saved"))
        stacked = await _heights(costs.locator("svg[role=img] rect.bar"))
        assert len(stacked) == 2 * sum(day["costUsd"] > 0 for day in metrics["days"])
        newest = metrics["days"][-2]
        told = costs.get_by_role("row").nth(2)
        await expect(told).to_contain_text(f"${newest['costUsd']:,.2f}")
        for name in ("Saved by type", "Saved by provider"):
            panel = page.locator(".panel").filter(has=page.get_by_role("heading", name=name))
            await expect(panel.get_by_role("row")).to_have_count(4)
            await expect(panel.locator("rect.bar")).to_have_count(3)

        await page.get_by_role("link", name="Alerts", exact=True).click()
        await visit.heading("Alerts")
        found = page.get_by_role("row").filter(has_text="20 of the last 40 jobs failed.")
        await found.get_by_role("button", name="I have seen it").click()
        await expect(found).to_contain_text("by admin")
        await expect(page.get_by_role("cell", name=re.compile("1,000 US dollars were saved"))).to_be_visible()

        await page.get_by_role("link", name="Report").click()
        await visit.heading("Report")
        await page.get_by_role("link", name="Month").click()
        await page.get_by_label("With this day").fill(today)
        await expect(page.locator(".figures")).to_contain_text(f"{report['total']['completed']:,}")
        wrong = page.locator(".panel").filter(has=page.get_by_role("heading", name="What went wrong"))
        for error in report["errors"]:
            await expect(wrong.get_by_role("row").filter(has_text=error["code"])).to_contain_text(f"{error['jobs']:,}")
        await expect(wrong).to_contain_text("20 of the last 40 jobs failed.")
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Save as Markdown").click()
        saved = await (await download.value).path()
        assert f"- completed: {report['total']['completed']}, " in saved.read_text()
        assert (await download.value).suggested_filename == f"nightshift-month-{report['since']}.md"


async def _heights(bars: Locator) -> list[float]:
    return [
        float(height) for height in await bars.evaluate_all("(all) => all.map((one) => one.getAttribute('height'))")
    ]


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
