"""The boards as a real Grafana draws them from the committed files; pictures of all of them go to build/screenshots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import chromium
from built import ROOT
from grafana_kit import NOT_RUN, PASSWORD, Grafana, grafana_home, open_board, running_grafana, troubles
from logging_bot import run_bot
from loki import NOT_RUN as NO_LOKI
from playwright.sync_api import Browser, Page, expect
from stack_doctor import doctor
from stack_kit import until
from test_stack_live import EMPTY as NO_SERIES
from test_stack_traces import EMPTY as NO_TRACES
from test_stack_traces import NEWEST, found
from whole_kit import Stack

from ares_otel.semconv import attributes as a
from ares_otel.stack.boards import BOARDS, Board
from ares_otel.stack.boards.tables import LOGS_PANEL, TRACE_PANEL

PICTURES = ROOT / "build" / "screenshots"
LONG_AGO = {"from": "now-30d", "to": "now-29d"}
BY_UID = {board.uid: board for board in BOARDS}
MARKER = "[data-testid='data-testid Exemplar marker']"


@pytest.fixture(scope="module")
def grafana(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafana]:
    """Run Grafana beside the stack."""
    installed = grafana_home()
    if installed is None:
        pytest.skip(NOT_RUN)
    with running_grafana(installed, tmp_path_factory.mktemp("grafana"), stack) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run the browser."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a new page."""
    context = browser.new_context()
    context.set_default_timeout(150_000)  # nothing here is about time
    yield context.new_page()
    context.close()


def test_doctor_knows_the_boards(stack: Stack, grafana: Grafana, tmp_path: Path) -> None:
    """Every board is provisioned, and Grafana reaches its data sources."""
    (tmp_path / "password").write_text(PASSWORD)
    parts = ",".join(
        [
            "prometheus",
            "alertmanager",
            "grafana",
            *(["tempo"] if stack.tempo else []),
            *(["loki"] if stack.loki else []),
        ]
    )
    around = {"GRAFANA": grafana.url, "PARTS": parts, "GRAFANA_PASSWORD_FILE": str(tmp_path / "password")}

    code, findings = doctor(
        stack, "--wait", "90", **{f"ARES_OTEL_STACK_{name}": value for name, value in around.items()}
    )

    assert {name: each for name, each in findings.items() if each["state"] == "failed"} == {}
    assert code == 0
    assert f"{len(BOARDS)} are provisioned" in findings["boards in Grafana"]["detail"]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.uid))
def test_board_with_data(stack: Stack, grafana: Grafana, page: Page, board: Board, theme: str) -> None:
    """No panel has an error, and none is empty but those with a reason."""
    open_board(page, grafana, board, theme=theme)
    page.screenshot(path=PICTURES / f"{board.uid}-{theme}.png")

    allowed = {*NO_SERIES, *NO_TRACES, *(panel.title for panel in board.every_panel() if not stack.tempo)}
    assert {title: what for title, what in troubles(page).items() if title not in allowed} == {}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.uid))
def test_board_without_data(stack: Stack, grafana: Grafana, page: Page, board: Board) -> None:
    """Where nothing is, nothing is an error."""
    if stack.tempo is None:
        pytest.skip(NOT_RUN)
    open_board(page, grafana, board, **LONG_AGO)
    page.screenshot(path=PICTURES / f"{board.uid}-empty.png")

    assert [title for title, what in troubles(page).items() if what == "error"] == []


def test_exemplars_lead_to_trace_and_decision(stack: Stack, grafana: Grafana, page: Page) -> None:
    """Diamonds are drawn on latencies; one that is pointed at offers the trace and the decision's page."""
    open_board(page, grafana, BY_UID["ares-pipeline"])
    panel = page.locator("section[data-testid='data-testid Panel header Time of a decision']")
    panel.locator(MARKER).last.hover(force=True)  # its neighbor may lie over it

    trace, decision = (page.get_by_role("link", name=name).first for name in ("Open trace", "Decision in Ares"))
    expect(decision).to_have_attribute("href", re.compile(rf"^{re.escape(stack.server.url)}/decisions/[0-9a-f]{{32}}$"))
    expect(trace).to_have_attribute("href", re.compile("/explore"))


def test_trace_is_found_by_its_correlation_id(stack: Stack, grafana: Grafana, page: Page) -> None:
    """A typed id lists its spans; the link of one draws its trace alone."""
    if stack.tempo is None:
        pytest.skip(NOT_RUN)
    tempo = stack.tempo
    newest = until(lambda: found(tempo, NEWEST), what="a decision in Tempo")[0]
    chosen = {"var-correlation_id": newest[a.CORRELATION_ID.key], "var-trace_id": newest["trace"]}

    open_board(page, grafana, BY_UID["ares-trace"], **chosen)
    page.get_by_text(chosen["var-correlation_id"]).first.click()
    decision = page.get_by_role("link", name="Decision in Ares")
    expect(decision).to_have_attribute("href", f"{stack.server.url}/decisions/{chosen['var-correlation_id']}")
    expect(page.get_by_role("link", name="Trace", exact=True)).to_have_attribute("href", re.compile("viewPanel=panel-"))
    open_board(page, grafana, BY_UID["ares-trace"], **chosen, viewPanel=f"panel-{TRACE_PANEL}")

    expect(page.get_by_text("decision", exact=False).first).to_be_visible()
    assert troubles(page) == {}


def test_between_a_trace_and_its_logs(stack: Stack, grafana: Grafana, page: Page, tmp_path: Path) -> None:
    """A viewer comes by one click from a trace to what was logged on the way, and from a line to its trace."""
    if stack.tempo is None or stack.loki is None:
        pytest.skip(NOT_RUN if stack.tempo is None else NO_LOKI)
    tempo, loki = stack.tempo, stack.loki
    made = run_bot(tmp_path, stack.collector.http, ARES_OTEL_EXPORTER_HEADERS_FILE=str(stack.headers))
    until(lambda: len(loki.lines(f'{{service_name=~".+"}} | trace_id="{made.trace}"')) == 2, what="its log records")
    until(lambda: tempo.trace(made.trace), what="its trace")
    chosen = {"var-trace_id": made.trace}
    line = page.get_by_text("spread of 14 bp is wide").first

    open_board(page, grafana, BY_UID["ares-trace"], **chosen, viewPanel=f"panel-{TRACE_PANEL}")
    page.get_by_test_id("SpanLinksMenu").first.click()
    page.get_by_role("menu").get_by_text("Related logs").click()
    expect(page).to_have_url(re.compile("/explore"))
    expect(line).to_be_visible()

    open_board(page, grafana, BY_UID["ares-trace"], **chosen, viewPanel=f"panel-{LOGS_PANEL}")
    line.click()
    expect(page.get_by_role("link", name="Open trace").first).to_have_attribute("href", re.compile("/explore.*tempo"))
    board = page.get_by_role("link", name="Trace on its board").first.get_attribute("href")
    page.goto(f"{grafana.url}{board}")
    expect(page.get_by_text("analyst", exact=False).first).to_be_visible()


def test_alert_leads_to_its_runbook(stack: Stack, grafana: Grafana, page: Page) -> None:
    """From Grafana's page of an alert one click opens what to do, at the alert's section."""
    page.goto(f"{grafana.url}/alerting/list?view=list&search=rule:Watchdog")
    page.get_by_role("button", name="Expand all").click()
    page.get_by_role("link", name="View", exact=True).click()
    address = f"{stack.server.url}/docs/runbooks/stack.md#watchdog"
    expect(page.locator(f"a[href='{address}']").first).to_be_visible()
    page.goto(address)

    expect(page).to_have_url(f"{stack.server.url}/runbooks/stack#watchdog")
    expect(page.get_by_role("heading", name="Watchdog")).to_be_in_viewport()
