"""The whole stack out of the committed files, natively: what the tests of boards, traces and doctor share."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

from collector import Collector
from loki import loki_binary
from stack_kit import (
    AresServer,
    Loki,
    Prometheus,
    Server,
    Tempo,
    collecting,
    demo_bot,
    headers_file,
    running_alertmanager,
    running_loki,
    running_prometheus,
    running_tempo,
    until,
)
from tempo import tempo_binary

from ares_otel.semconv import metrics as m
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.stack.alerting import Delivery

__all__ = ["Hook", "Stack", "aim", "place", "whole_stack"]

SCRAPES = 6


class Stack(NamedTuple):
    """What runs.

    Attributes:
        tempo: None where there is no Tempo.
        headers: file with the headers that the collector wants to see.
        calls: what the dead man's switch was sent.
        loki: None where there is no Loki.
    """

    prometheus: Prometheus
    alertmanager: Server
    tempo: Tempo | None
    server: EmbeddedServer | AresServer
    collector: Collector
    headers: Path
    calls: Queue[Any]
    loki: Loki | None = None


class Hook:
    """A tiny receiver of webhooks that keeps what it was sent."""

    def __init__(self) -> None:
        calls: Queue[Any] = Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                calls.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")  # what Slack answers, else it was not delivered

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.calls = calls
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def whole_stack(home: Path) -> Iterator[Stack]:
    """Run everything until the demo bot was scraped often enough for rates."""
    with ExitStack() as running:
        hook = Hook()
        running.callback(hook.close)
        delivery = Delivery(slack=False, pager=False)
        alerting = running.enter_context(
            running_alertmanager(home / "alertmanager", delivery, {"deadman_url": hook.url})
        )
        server = EmbeddedServer(home / "ares.db").start()
        running.callback(server.stop, 10)
        places = {"alertmanager": place(alerting.url), "ares-server": place(server.url)}
        (home / "prometheus").mkdir()
        prometheus = running.enter_context(running_prometheus(home / "prometheus", places, runbooks=f"{server.url}/"))
        targets = home / "prometheus" / "targets"
        tempo = _tempo(running, home, prometheus)
        if tempo is not None:
            aim(targets / "tempo.yaml", tempo.url)
        otlp = tempo.otlp if tempo is not None else "127.0.0.1:9"
        loki = _loki(running, home)
        overlays, around = (("logs",), {"LOKI_URL": loki.url}) if loki else ((), {})
        collector = running.enter_context(
            collecting(home / "collector", server.url, otlp, prometheus.url, *overlays, **around)
        )
        aim(targets / "otel-collector.yaml", collector.metrics)
        headers = headers_file(home)
        bot = demo_bot(
            *(home / "demo", targets / "bots" / "demo.json", collector.http),
            ARES_OTEL_EXPORTER_HEADERS_FILE=str(headers),
        )
        running.enter_context(bot)
        decided = f"min(count_over_time({m.EQUITY}[5m])) > {SCRAPES}"
        until(lambda: prometheus.value(decided), what="enough scrapes", seconds=300)
        yield Stack(prometheus, alerting, tempo, server, collector, headers, hook.calls, loki)


def _tempo(running: ExitStack, home: Path, prometheus: Prometheus) -> Tempo | None:
    binary = tempo_binary()
    return running.enter_context(running_tempo(binary, home / "tempo", prometheus.url)) if binary else None


def _loki(running: ExitStack, home: Path) -> Loki | None:
    binary = loki_binary()
    return running.enter_context(running_loki(binary, home / "loki")) if binary else None


def place(url: str) -> str:
    """Return host and port of an address."""
    return url.removeprefix("http://").removesuffix("/metrics")


def aim(file: Path, url: str) -> None:
    """Have Prometheus scrape an address, by a file of targets."""
    file.write_text(json.dumps([{"targets": [place(url)]}]))
