"""The pages as a person meets them, in a real browser."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, Dialog, Page, Response, Route, expect, sync_playwright
from sqlalchemy import select, update

from pipeline.config import Project
from pipeline.ledger.schema import FEEDBACK, RUNS, SCORES
from pipeline.ledger.store import Ledger
from pipeline.review.app import create_app

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(2)>{{7*7}}\u202e\u2067<svg onload=alert(3)>'
    "' onfocus=alert(4) autofocus='"
)
PRESENT = 4

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@dataclass
class Person:
    """A browser tab, and everything that must not happen in it."""

    page: Page
    address: str
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note dialogs, messages of the console, and requests elsewhere, which are stopped."""
        self.page.on("dialog", self._dismiss)
        self.page.on("console", lambda said: self.faults.append(f"console {said.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"error {error}"))
        self.page.route("**/*", self._route)

    def _dismiss(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _route(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" != self.address:
            self.faults.append(f"request {route.request.url}")
            route.abort()
        else:
            route.continue_()

    def open(self, path: str) -> Response:
        """Go to a path of the app."""
        answer = self.page.goto(self.address + path)
        assert answer is not None
        return answer


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def address(made: Project) -> Iterator[str]:
    """Where the app is served, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = uvicorn.Config(create_app(made, port=port), port=port, log_level="error", ws="none")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def person(browser: Browser, address: str) -> Iterator[Person]:
    """Somebody at a fresh browser; a dialog, a console message or a call elsewhere fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    found = Person(context.new_page(), address)
    found.watch()
    yield found
    context.close()
    assert found.faults == []


def _lead(ledger: Ledger, *conditions: Any) -> Any:
    asked = select(SCORES).where(SCORES.c.run == PRESENT, *conditions).order_by(SCORES.c.rank).limit(1)
    with ledger.reading() as connection:
        return connection.execute(asked).one()


def test_a_person_finds_a_lead_reads_why_and_accepts_it(person: Person, ledger: Ledger) -> None:
    page = person.page
    expected = _lead(ledger, SCORES.c.band == "MQL", SCORES.c.owner == "Ann")
    person.open("/")
    expect(page.get_by_role("row")).to_have_count(51)

    page.get_by_role("link", name=re.compile(r"^MQL \d+")).click()
    page.get_by_text("More filters").click()
    page.get_by_label("Owner").select_option("Ann")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name=expected.name, exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(expected.name)
    points = page.locator("table.waterfall").first.locator("[data-points]")
    total = sum(
        float(value or "nan") for value in (each.get_attribute("data-points") for each in points.all())
    )
    shown = page.locator("table.waterfall").first.locator("[data-score]").get_attribute("data-score")
    assert total == pytest.approx(float(shown or "nan"), abs=1e-6)
    assert int(expected.score) == int(float(shown or "nan"))

    page.get_by_label("Accept").check(force=True)
    page.get_by_label("Note").fill("Called her; wants a demo")
    page.locator("form[action='/lead/feedback']").get_by_label("Signed by").fill("Ann")
    page.get_by_role("button", name="Send").click()

    expect(page.get_by_role("status")).to_contain_text("your answer is kept")
    with ledger.reading() as connection:
        kept = connection.execute(select(FEEDBACK)).mappings().one()
    assert (kept["lead_id"], kept["verdict"], kept["by"]) == (expected.lead_id, "accept", "Ann")
    assert (kept["run"], kept["note"]) == (PRESENT, "Called her; wants a demo")


def test_search_finds_a_lead_and_the_pages_follow_each_other(person: Person, ledger: Ledger) -> None:
    page = person.page
    person.open("/")
    page.get_by_role("link", name=re.compile("^Next 50")).click()
    expect(page.get_by_role("cell", name="51", exact=True)).to_be_visible()
    page.get_by_role("link", name="← Before").click()
    expect(page.get_by_role("cell", name="1", exact=True)).to_be_visible()

    sought = _lead(ledger, SCORES.c.rank == 200)
    page.get_by_role("searchbox").fill(sought.name.upper())
    page.get_by_role("searchbox").press("Enter")

    expect(page.get_by_role("link", name=sought.name, exact=True)).to_be_visible()


def test_a_deep_link_from_elsewhere_opens_the_lead_and_other_tabs_can_still_write(
    person: Person, ledger: Ledger
) -> None:
    first, second = (_lead(ledger, SCORES.c.rank == rank) for rank in (3, 4))
    person.open(f"/?lead={quote(first.lead_id)}")
    expect(person.page).to_have_url(re.compile(rf"/lead\?id={first.lead_id}$"))
    expect(person.page.get_by_role("heading", level=1)).to_contain_text(first.name)

    other = person.page.context.new_page()
    other.set_content(f'<a href="{person.address}/?lead={second.lead_id}">in the CRM</a>')
    other.get_by_role("link").click()
    expect(other.get_by_role("heading", level=1)).to_contain_text(second.name)
    person.page.get_by_label("Reject").check(force=True)
    person.page.get_by_role("button", name="Send").click()

    expect(person.page.get_by_role("status")).to_contain_text("your answer is kept")


def test_hostile_names_stay_text_on_every_page(person: Person, ledger: Ledger) -> None:
    hostile = dict.fromkeys(("name", "company", "owner", "segment", "first_reason"), HOSTILE)
    with ledger.writing() as connection:
        where = (SCORES.c.run == PRESENT, SCORES.c.rank == 1)
        connection.execute(
            update(SCORES).where(*where).values(lead_id=HOSTILE, account_id=HOSTILE, **hostile)
        )
        connection.execute(update(RUNS).where(RUNS.c.number == PRESENT).values(facets=None))
    paths = ["/", f"/?q={quote(HOSTILE)}", f"/?owner={quote(HOSTILE)}", f"/lead?id={quote(HOSTILE)}"]

    for path in [*paths, f"/account?id={quote(HOSTILE)}", "/model"]:
        answer = person.open(path)
        person.page.wait_for_timeout(100)  # for what a picture that fails would start

        assert answer.status == 200
        assert person.page.locator("img, body script:not([src]), [onload], [onerror], [onfocus]").count() == 0
        if path != "/model":
            assert "<script>alert(1)</script>" in person.page.locator("main").inner_text()
            assert "{{7*7}}" in person.page.locator("main").inner_text()


def test_another_site_can_neither_write_nor_frame_the_page(person: Person, ledger: Ledger) -> None:
    lead = _lead(ledger, SCORES.c.rank == 1)
    own = f"{person.address}/lead?id={quote(lead.lead_id)}"
    person.page.goto(own)
    token = person.page.locator("input[name=csrf]").first.get_attribute("value")
    fields = {"csrf": token, "id": lead.lead_id, "verdict": "accept", "by": "mallory"}
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    form = f'<form method="post" action="{person.address}/lead/feedback">{inputs}<button>Win</button></form>'
    other = person.page.context.new_page()
    body = f'{form}<iframe src="{own}"></iframe>'
    other.route("http://evil.example/", lambda route: route.fulfill(body=body, content_type="text/html"))
    other.goto("http://evil.example/")

    framed = other.frame_locator("iframe").locator("main").count()
    with other.expect_response("**/lead/feedback") as caught:
        other.get_by_role("button", name="Win").click()

    assert framed == 0
    assert caught.value.status == 403
    expect(other.locator("main")).to_contain_text("Another site tried to write here in your name")
    with ledger.reading() as connection:
        assert connection.execute(select(FEEDBACK)).all() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_small_phone_and_a_zoomed_window_and_can_be_read(
    browser: Browser, address: str, ledger: Ledger, scheme: Any
) -> None:
    lead = _lead(ledger, SCORES.c.rank == 1)
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    for path in ("/", f"/lead?id={lead.lead_id}", f"/account?id={lead.account_id}", "/model", "/nowhere"):
        page.goto(address + path)

        assert page.evaluate(CONTRASTS) == [], path
        for width in (360, 640, 853, 1000, 1130, 1280):  # 640 is a window of 1,280 at 200 %
            page.set_viewport_size({"width": width, "height": 720})
            assert page.evaluate(CUT) == [], (path, width)
    context.close()


def test_the_keyboard_reaches_the_content_first(person: Person) -> None:
    person.open("/")

    person.page.keyboard.press("Tab")
    expect(person.page.get_by_text("Skip to the content")).to_be_focused()
    person.page.keyboard.press("Enter")

    assert person.page.evaluate("document.activeElement.id") == "main"


# what is wider than the window, or cut by what it stands in
CUT = """() => [...document.querySelectorAll("html, body *:not(svg *):not(.sr):not(.table-wrap)")]
  .filter(node => node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 1)
  .filter(node => node === document.documentElement || getComputedStyle(node).overflowX === "hidden")
  .map(node => node.tagName + "." + node.className + ": " + node.scrollWidth)"""
# texts whose contrast with what lies behind them is below 4.5 (3 if large), after WCAG 2.1
CONTRASTS = """() => {
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = rgb => [.2126, .7152, .0722].reduce((sum, weight, i) => sum + weight * linear(rgb[i] / 255), 0);
  const behind = node => {
    for (let at = node; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll("body *:not(svg *):not(.sr):not(.skip)")) {
    const hasText = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    if (!hasText || !node.checkVisibility()) continue;
    const style = getComputedStyle(node), size = parseFloat(style.fontSize);
    const pair = [light(parse(style.color)), light(behind(node))].sort((a, b) => b - a);
    const least = size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5;
    if ((pair[0] + .05) / (pair[1] + .05) < least) low.push(node.textContent.trim().slice(0, 40));
  }
  return low;
}"""


def test_the_slider_shows_at_once_what_the_button_fetches(person: Person) -> None:
    person.open("/model")
    slider, outputs = person.page.locator("#cutoff"), person.page.locator("output")
    at_first = outputs.all_inner_texts()
    slider.focus()
    for _ in range(10):
        slider.press("ArrowRight")
    moved = outputs.all_inner_texts()

    person.page.locator("form.slide button").click()

    expect(person.page).to_have_url(re.compile(r"/model\?cutoff=60#what-if$"))
    assert outputs.all_inner_texts() == moved
    assert moved[0] == "60"
    assert moved != at_first


def test_the_slider_takes_away_what_was_said_of_the_first_leads(person: Person) -> None:
    person.open("/model?first=20")
    said = person.page.get_by_text("Shown are the first 20")
    expect(said).to_be_visible()

    person.page.locator("#cutoff").press("ArrowRight")

    expect(said).to_have_count(0)
