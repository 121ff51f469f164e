"""Firing alerts on the overview: read from Alertmanager off the request path, and honest about their age."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from api_kit import get
from server_kit import fresh, until

from ares_otel.config import Server
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.pages.alarms import Alarms

SECOND = 10**9
ALERTS = [
    {
        "labels": {"alertname": "Late"},
        "annotations": {"description": "It is late."},
        "startsAt": "2026-01-02T03:04:05Z",
    },
    {
        "labels": {"alertname": "Drawdown<b>", "severity": "critical", "strategy": "swing", "symbol": "SP500"},
        "annotations": {"summary": "Too deep", "runbook_url": "https://example.org/deep"},
        "startsAt": "2026-01-02T03:04:05.678+01:00",
        "status": {"state": "active"},
    },
    {"labels": {"alertname": "Slow", "severity": "warning"}, "annotations": {"runbook_url": "javascript:alert(1)"}},
]


class Manager:
    """What Alertmanager answers, and what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps(ALERTS).encode()
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def listening(manager: Manager) -> Iterator[Manager]:
    """Answer as an Alertmanager does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            manager.asked.append(self.path)
            self.send_response(manager.status)
            self.send_header("Content-Length", str(len(manager.body)))
            self.end_headers()
            self.wfile.write(manager.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    manager.url = f"http://127.0.0.1:{server.server_port}/am/"
    try:
        yield manager
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def manager() -> Iterator[Manager]:
    """Return an Alertmanager below a path."""
    with listening(Manager()) as found:
        yield found


def test_alerts_are_read(manager: Manager) -> None:
    """The most severe come first; what an alert does not say is left out, and no link leads to a script."""
    now = [5 * SECOND]
    alarms = Alarms(manager.url, lambda: now[0])
    assert (alarms.firing, alarms.old) == (None, True)

    alarms.look()

    assert manager.asked == ["/am/api/v2/alerts?active=true&silenced=false&inhibited=false"]
    assert alarms.firing is not None
    assert [(each.name, each.severity, each.of, each.summary, each.runbook) for each in alarms.firing] == [
        ("Drawdown<b>", "critical", "swing SP500", "Too deep", "https://example.org/deep"),
        ("Slow", "warning", "", "", None),
        ("Late", "", "", "It is late.", None),
    ]
    assert (alarms.number, alarms.read, alarms.old) == (3, 5 * SECOND, False)
    now[0] += 61 * SECOND
    assert alarms.old


def test_runbook_of_an_alert_that_a_bot_tells_of(manager: Manager) -> None:
    """A bot does not know the server's address: the runbook is on the server that shows the alert."""
    told = {"labels": {"alertname": "Told"}, "annotations": {"runbook_url": "docs/runbooks/risk.md#told"}}
    manager.body = json.dumps([told]).encode()
    alarms = Alarms(manager.url)

    alarms.look()

    assert alarms.firing
    assert [each.runbook for each in alarms.firing] == ["/docs/runbooks/risk.md#told"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [(503, b"", "it answered 503 with 0 bytes"), (200, b"<html>", "malformed"), (200, b'[{"labels": 1}]', "Expected")],
)
def test_no_sense(manager: Manager, status: int, body: bytes, said: str) -> None:
    """An answer that makes no sense changes nothing but the problem; the next good one clears it."""
    alarms = Alarms(manager.url)
    alarms.look()
    good, before = manager.body, (alarms.firing, alarms.read)
    manager.status, manager.body = status, body

    alarms.look()

    assert said in (alarms.problem or "")
    assert (alarms.firing, alarms.read) == before
    manager.status, manager.body = 200, good
    alarms.look()
    assert alarms.problem is None


def test_nobody_there(tmp_path: Path) -> None:
    """Without an Alertmanager the page is there at once, and says so."""
    with listening(Manager()) as gone:
        pass
    with EmbeddedServer(fresh(tmp_path), settings=Server(alertmanager_url=gone.url)) as server:
        until(lambda: b"does not answer" in get(server, "/").body)


def test_the_overview_shows_them(tmp_path: Path, manager: Manager) -> None:
    """How many fire, with a link and the age of that; each of them below; nothing of it where none is configured."""
    settings = Server(alertmanager_url=manager.url)
    with EmbeddedServer(fresh(tmp_path), settings=settings) as server:
        until(lambda: b"3 firing" in get(server, "/").body)
        page = get(server, "/").body.decode()
    with EmbeddedServer(fresh(tmp_path)) as server:
        plain = get(server, "/").body.decode()

    for said in (
        "Firing alerts",
        "Drawdown&lt;b&gt;",
        "swing SP500",
        "https://example.org/deep",
        manager.url.rstrip("/"),
    ):
        assert said in page
    assert "javascript:" not in page
    assert "Alertmanager" not in plain
    assert "Firing alerts" not in plain
