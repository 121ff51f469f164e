"""The real Grafana, provisioned from the committed files, and its boards in a browser."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from built import ROOT
from collector import free_ports
from playwright.sync_api import Page
from stack_kit import Server, until
from whole_kit import Stack

from ares_otel.stack.boards import BOARDS, Board, render

__all__ = ["NOT_RUN", "PASSWORD", "Grafana", "grafana_home", "open_board", "running_grafana", "troubles"]

NOT_RUN = (
    "THE GRAFANA PART DID NOT RUN: name in GRAFANA_HOME the directory of an installed Grafana 12.2 or newer, "
    "with bin/grafana, conf and public"
)
PASSWORD = "a-password-of-these-tests"
WIDTH = 1_600
ROW = 38
AROUND = 160
LOADING = "[aria-label='Panel loading bar']"
FAILED = "[data-testid='data-testid Panel status error']"
CALM = f"() => (window.calm = document.querySelector({json.dumps(LOADING)}) ? 0 : (window.calm || 0) + 1) > 10"
"""Whether nothing was loading at ten looks in a row: panels begin one after another."""
SETTINGS = {
    "GF_SERVER_HTTP_ADDR": "127.0.0.1",
    "GF_SECURITY_ADMIN_PASSWORD": PASSWORD,
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_USERS_VIEWERS_CAN_EDIT": "true",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
    "GF_LOG_MODE": "console",
}
"""What makes it look for nothing outside, and lets a browser see boards without signing in."""


class Grafana(Server):
    """A running Grafana."""

    READY = "/api/health"


def grafana_home() -> Path | None:
    """Return where Grafana is installed, None where it is not.

    Raises:
        RuntimeError: GRAFANA_HOME names what is none.
    """
    named = os.environ.get("GRAFANA_HOME")
    if not named:
        return None
    if not os.access(Path(named) / "bin" / "grafana", os.X_OK):
        raise RuntimeError(f"GRAFANA_HOME={named} has no bin/grafana")
    return Path(named).absolute()


@contextmanager
def running_grafana(installed: Path, directory: Path, stack: Stack) -> Iterator[Grafana]:
    """Run Grafana with the committed provisioning; the boards' links lead to the ares server of the stack."""
    (port,) = free_ports(1)
    boards = directory / "boards"
    boards.mkdir(parents=True)
    for board in BOARDS:
        (boards / f"{board.uid}.json").write_text(render(board, stack.server.url), encoding="utf-8")
    data = {f"GF_PATHS_{name.upper()}": str(directory / name) for name in ("data", "logs", "plugins")}
    around = {
        **SETTINGS,
        **data,
        "GF_PATHS_PROVISIONING": str(ROOT / "grafana" / "provisioning"),
        "GF_SERVER_HTTP_PORT": str(port),
        "DASHBOARDS_DIR": str(boards),
        "PROMETHEUS_URL": stack.prometheus.url,
        "TEMPO_URL": stack.tempo.url if stack.tempo else "http://127.0.0.1:9",
        "TEMPO_TENANT": "single-tenant",
        "ALERTMANAGER_URL": stack.alertmanager.url,
        "LOKI_URL": stack.loki.url if stack.loki else "http://127.0.0.1:9",
        "LOGS_DATASOURCE": "loki" if stack.loki else "",
        "ARES_URL": stack.server.url,
    }
    command = [str(installed / "bin" / "grafana"), "server", "--homepath", str(installed)]
    server = Grafana(command, f"http://127.0.0.1:{port}", directory, around)
    try:
        until(server.ready, what="Grafana is ready", seconds=150)
        yield server
    finally:
        server.stop()


def open_board(page: Page, grafana: Grafana, board: Board, **parameters: str) -> None:
    """Open a board, as high as it is so that all its panels are drawn, and wait until they have what they asked for."""
    laid = board.document()["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in laid) * ROW + AROUND
    page.set_viewport_size({"width": WIDTH, "height": height})
    query = "&".join(f"{name}={value}" for name, value in {"from": "now-5m", "to": "now", **parameters}.items())
    page.goto(f"{grafana.url}/d/{board.uid}?{query}&kiosk")
    page.wait_for_selector("[data-viz-panel-key]")
    page.wait_for_function(CALM, polling=200)


def troubles(page: Page) -> dict[str, str]:
    """Return what panels complain of, by title: an error, or what is said where nothing is."""
    found: dict[str, str] = {}
    for panel in page.locator("section[data-testid^='data-testid Panel header']").all():
        title = (panel.get_attribute("data-testid") or "").removeprefix("data-testid Panel header ")
        text = panel.inner_text()
        if panel.locator(FAILED).count():
            found[title] = "error"
        elif "No data" in text or "not reported" in text or "does not have a time field" in text:
            found[title] = "empty"
    return found
