"""The console in a real browser: with the demo's data, without any, and with names that would like to be scripts."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from browser import axe, chromium, violations
from pages_kit import history, renamed
from playwright.sync_api import Browser, BrowserContext, Page, expect
from server_kit import fresh, rows, send, store_all, until
from sources import ROOT
from spans import Bot, body

from ares_otel.server.http.serve import EmbeddedServer

PATHS = ("/", "/decisions", "/orders", "/models", "/drift", "/regimes", "/system")
PICTURES = ROOT / "build" / "screenshots"
DECISIONS = 800

pytestmark = pytest.mark.timeout(600)  # a demo, and each page with all that axe looks at, on whatever machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run the browser."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def source() -> str:
    """Return the source of axe-core."""
    return axe()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Serve what a short demo has left behind."""
    directory = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "ares_otel.cli.main", "demo", "--port", "0", "--decisions", str(DECISIONS)]
    subprocess.run([*command, "--directory", str(directory)], check=True, capture_output=True, timeout=150)
    with EmbeddedServer(directory / "ares.db") as server:
        yield server


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Serve nothing."""
    with EmbeddedServer(fresh(tmp_path_factory.mktemp("empty"))) as server:
        yield server


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Serve names that would like to be scripts."""
    database = fresh(tmp_path_factory.mktemp("hostile"))
    store_all(database, *([spans] for spans in renamed(history(40))))
    with EmbeddedServer(database) as server:
        yield server


class Watched:
    """A page whose console, errors and requests are written down."""

    def __init__(self, context: BrowserContext, server: EmbeddedServer) -> None:
        self.page = context.new_page()
        self.troubles: list[str] = []
        self._server = server
        self.page.on("console", lambda said: self._said(said.type, said.text))
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self._dialog(dialog.message, dialog.dismiss))
        self.page.on("request", lambda request: self._asked(request.url))

    def open(self, path: str) -> Page:
        """Open a page and wait until its charts are drawn."""
        self.page.goto(self._server.url + path)
        for chart in self.page.locator("[data-chart]").all():
            expect(chart.locator("canvas").first).to_be_attached()
        return self.page

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.troubles.append(f"{kind}: {text}")

    def _dialog(self, message: str, dismiss: Callable[[], None]) -> None:
        self.troubles.append(f"dialog: {message}")
        dismiss()

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self._server.url).netloc and not url.startswith(("data:", "blob:")):
            self.troubles.append(f"request: {url}")


def every(server: EmbeddedServer) -> list[str]:
    """Return the paths of all pages with data: those of `PATHS`, a decision with an order, its order, a model."""
    query = "SELECT hex(trace), client_id FROM orders WHERE cum_quantity > 0 ORDER BY id DESC LIMIT 1 OFFSET 3"
    trace, order = rows(server.database, query)[0]
    model = rows(server.database, "SELECT value FROM name WHERE kind = 'model' ORDER BY value LIMIT 1")
    watched = rows(server.database, "SELECT value FROM name JOIN drift_check ON model = name.id LIMIT 1")
    ones = (f"/decisions/{trace.lower()}", f"/orders/{quote(order)}", f"/models/{quote(model[0][0])}")
    return [*PATHS, *ones, f"/drift/{quote(watched[0][0])}", "/api/v1/docs"]


def name(path: str) -> str:
    """Return a file name for a path."""
    return re.sub(r"\W+", "-", path.split("/")[1] + ("-one" if path.count("/") > 1 else "")) or "overview"


def picture(page: Page, file: str) -> None:
    """Keep a picture of a page; of the API's, which is as long as fifty others, only what is seen first."""
    page.screenshot(path=PICTURES / file, full_page=not page.url.endswith("/docs"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_with_data(demo: EmbeddedServer, browser: Browser, source: str, theme: str) -> None:
    """Each page works without a word in the console or a request to elsewhere, and axe finds no barrier."""
    context = browser.new_context(color_scheme=theme, viewport={"width": 1280, "height": 860})  # type: ignore[arg-type]
    watched = Watched(context, demo)
    found = {}
    for path in every(demo):
        page = watched.open(path)
        picture(page, f"{name(path)}-{theme}.png")
        found[path] = violations(page, source)

    assert watched.troubles == []
    assert {path: each for path, each in found.items() if each} == {}
    context.close()


def test_pages_without_data(empty: EmbeddedServer, browser: Browser, source: str) -> None:
    """Each page says what is missing, without a word in the console, and axe finds no barrier."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    watched = Watched(context, empty)
    found = {}
    for path in PATHS:
        page = watched.open(path)
        picture(page, f"{name(path)}-empty.png")
        found[path] = violations(page, source)

    assert watched.troubles == []
    assert {path: each for path, each in found.items() if each} == {}
    context.close()


def test_hostile_names(hostile: EmbeddedServer, browser: Browser, source: str) -> None:
    """A name that looks like a script runs on no page, is readable, is no barrier, and leads to what it names."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    watched = Watched(context, hostile)
    found = {}
    for path in every(hostile):
        page = watched.open(path)
        picture(page, f"{name(path)}-hostile.png")
        assert page.locator("script:not([src])").count() == 0
        found[path] = violations(page, source)
    assert {path: each for path, each in found.items() if each} == {}
    page = watched.open("/decisions")
    expect(page.locator("tbody tr").first).to_contain_text("<script>alert(1)</script>")
    page.locator("tbody tr td a").nth(1).click()
    expect(page.locator(".chip")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("tbody tr").first).to_be_visible()

    assert watched.troubles == []
    context.close()


@pytest.mark.parametrize("kind", ["demo", "hostile", "empty"])
def test_phone(kind: str, browser: Browser, source: str, request: pytest.FixtureRequest) -> None:
    """On a phone nothing makes the body wider than the screen, and axe finds no barrier."""
    server: EmbeddedServer = request.getfixturevalue(kind)
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    watched = Watched(context, server)
    wide, found = {}, {}
    for path in PATHS if kind == "empty" else every(server):
        page = watched.open(path)
        picture(page, f"{name(path)}-phone-{kind}.png")
        wide[path] = page.evaluate("document.documentElement.scrollWidth")
        found[path] = violations(page, source)

    assert {path: width for path, width in wide.items() if width > 390} == {}
    assert {path: each for path, each in found.items() if each} == {}
    assert watched.troubles == []
    context.close()


def test_keyboard(demo: EmbeddedServer, browser: Browser) -> None:
    """The first Tab offers to skip to the content, `/` searches, j and k turn from decision to decision."""
    context = browser.new_context()
    watched = Watched(context, demo)
    page = watched.open("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("has:fill")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/decisions\?q=has%3Afill"))
    expect(page.locator("#q")).to_have_value("has:fill")
    page.locator("tbody tr td a").first.click()
    drawn = page.locator("[data-chart] canvas").first  # its script runs after the one that listens to keys
    expect(drawn).to_be_attached()
    here = page.url
    page.keyboard.press("k")
    expect(page).not_to_have_url(here)
    expect(drawn).to_be_attached()
    page.keyboard.press("j")
    expect(page).to_have_url(here)
    assert watched.troubles == []
    context.close()


def test_wide_tables(demo: EmbeddedServer, browser: Browser) -> None:
    """A table that is wider than a phone is a stop of the keyboard, which scrolls it; where it fits it is none."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    watched = Watched(context, demo)
    page = watched.open("/decisions")
    table = page.locator(".scroll").first
    expect(table).to_have_attribute("tabindex", "0")
    table.focus()
    page.keyboard.press("ArrowRight")
    # Asked from outside: a wait within the page evaluates strings, which the page's policy forbids.
    until(lambda: table.evaluate("box => box.scrollLeft > 0"))
    page.set_viewport_size({"width": 1600, "height": 900})
    expect(table).not_to_have_attribute("tabindex", "0")
    assert watched.troubles == []
    context.close()


def test_theme(demo: EmbeddedServer, browser: Browser) -> None:
    """The switch turns light to dark, charts included, and is remembered."""
    context = browser.new_context(color_scheme="light")
    watched = Watched(context, demo)
    page = watched.open("/")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(paper)
    page.locator("#theme").click()
    expect(page.locator("[data-chart] canvas").first).to_be_attached()
    dark = page.evaluate(paper)
    assert dark != light
    assert watched.open("/decisions").evaluate(paper) == dark
    assert watched.troubles == []
    context.close()


def test_times_and_copies(demo: EmbeddedServer, browser: Browser) -> None:
    """Times are in the reader's zone with UTC on hover; a click copies a whole id."""
    context = browser.new_context(timezone_id="Asia/Tokyo", permissions=["clipboard-read", "clipboard-write"])
    watched = Watched(context, demo)
    page = watched.open(every(demo)[len(PATHS)])
    moment = page.locator("time[data-show=second]").first
    told, utc = moment.inner_text(), (moment.get_attribute("datetime") or "")[11:13]
    assert int(told[11:13]) == (int(utc) + 9) % 24
    assert "UTC" in (moment.get_attribute("title") or "")
    expect(page.locator("#zone")).to_have_text("Asia/Tokyo")
    button = page.locator("button.copy").first
    button.click()
    expect(page.locator("#status")).to_have_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == button.get_attribute("data-copy")
    assert watched.troubles == []
    context.close()


def test_decisions_arrive(tmp_path: Path, browser: Browser) -> None:
    """A page that is open shows what is sent to the server, without being loaded again."""
    with EmbeddedServer(fresh(tmp_path)) as server:
        context = browser.new_context()
        watched = Watched(context, server)
        page = watched.open("/")
        expect(page.locator("[data-live='/fragments/desk']")).to_contain_text("No decision is stored yet")
        send(server.url, body(Bot().decision().all))
        expect(page.locator("[data-live='/fragments/desk'] tr[data-id]")).to_have_count(1)
        assert watched.troubles == []
        context.close()
