"""The demo's history of drift in a real browser: episodes that a reader recognizes, found from the list of models."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from browser import axe, chromium, violations
from playwright.sync_api import Browser, Page, expect
from sources import ROOT

from ares_otel.server.http.serve import EmbeddedServer

DECISIONS = 8_800
"""Until the spring of 2009."""
PICTURES = ROOT / "build" / "screenshots"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run the browser."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Serve what nine years of the demo have left behind."""
    directory = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "ares_otel.cli.main", "demo", "--port", "0", "--decisions", str(DECISIONS)]
    subprocess.run([*command, "--directory", str(directory)], check=True, capture_output=True, timeout=500)
    with EmbeddedServer(directory / "ares.db") as server:
        yield server


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("theme", "width"), [("light", 1_280), ("dark", 1_280), ("light", 390)])
def test_the_history_of_the_demo(demo: EmbeddedServer, browser: Browser, theme: str, width: int) -> None:
    """2002 and 2008 stand in the list and on the page of the market; windows and the account are a click away.

    So are decisions of an episode, which say which models were drifting when they were made, and who knew.
    """
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 860})  # type: ignore[arg-type]
    page, troubles = context.new_page(), list[str]()
    page.on("console", lambda said: troubles.append(said.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(demo.url + "/drift")
    newest = page.get_by_role("region", name="Newest episodes")
    for year in ("2002", "2008"):
        expect(newest.get_by_role("row").filter(has_text=re.compile(rf"{year}-\d\d-\d\d")).first).to_be_attached()
    barriers = violations(page, axe())
    page.screenshot(path=PICTURES / f"drift-{theme}-{width}.png", full_page=True)

    page.get_by_role("region", name="Watched models").get_by_role("link", name="market/NASDAQ").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("market/NASDAQ")
    shaded = page.locator("svg.timeline rect title").all_text_contents()
    assert any("2008" in title for title in shaded)
    page.get_by_role("region", name="Episodes").get_by_role("link", name=re.compile("^2008-")).first.click()
    windows = page.get_by_role("region", name="Reference against window")
    expect(windows).to_contain_text("at the alarm of episode")
    expect(windows.get_by_role("figure")).to_have_count(4)
    expect(windows.get_by_role("figure").first).to_contain_text(re.compile(r"n \d+ of \d+ bars"))
    barriers += violations(page, axe())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=PICTURES / f"drift-one-{theme}-{width}.png", full_page=True)
    account = page.get_by_role("region", name="Budget of false alarms")
    expect(account).to_contain_text(re.compile(r"0\.02 false alarms a month of 21 bars .* its bars have used 0\.0"))
    expect(account.get_by_role("table", name="Alarms").get_by_role("row").nth(1)).to_contain_text(
        re.compile(r"\d bars")
    )
    lines = account.get_by_text("What each quantity may spend")
    lines.click()
    expect(account.get_by_role("row").filter(has_text="128 bars").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=PICTURES / f"drift-lines-{theme}-{width}.png", full_page=True)

    barriers += _decisions(page, theme, width)

    assert (barriers, troubles) == ([], [])
    context.close()


def _decisions(page: Page, theme: str, width: int) -> list[str]:
    """Go from an episode to a decision of its window, when nobody knew of it, and to the next one, which knows."""
    page.locator("tbody.chosen").get_by_role("link", name="last").click()
    expect(page).to_have_url(re.compile("/decisions/"))
    then = page.get_by_role("region", name="Models that were drifting")
    expect(then.get_by_role("row").filter(has_text="market/NASDAQ")).to_contain_text("no, seen later")
    page.get_by_role("link", name="next").click()
    known = then.get_by_role("row").filter(has_text="market/NASDAQ")
    for place, text in ((0, "watched in such decisions"), (3, "yes")):
        expect(known.get_by_role("cell").nth(place)).to_have_text(text)
    barriers = violations(page, axe())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=PICTURES / f"drift-then-{theme}-{width}.png", full_page=True)
    known.get_by_role("link", name="market/NASDAQ").click()
    expect(page.get_by_role("region", name="Reference against window")).to_contain_text("at the alarm of episode")
    return barriers
