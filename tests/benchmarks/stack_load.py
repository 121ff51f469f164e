"""`make bench-stack`: what the stack takes with one bot at 200 spans a second: memory, CPU, disk, series.

The servers run natively from the committed files, with the limits for the Go runtime's memory that compose.yaml gives
them; the bot is a process of its own (`stack_bot.py`), whose log records go to the ares server and to Loki; somebody
asks the queries of a board every ten seconds. Tempo comes from TEMPO_BIN, Loki from LOKI_BIN, Grafana from
GRAFANA_HOME; what is missing is said and left out. Every five seconds memory and CPU of each process and each part of
the data on disk are read. What `stack_report.py` says of it leaves out the first third, but for memory. At the end:
series, alerts that fired, recording rules without a value, `ares-otel doctor`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from types import FrameType
from typing import NamedTuple

from collector import free_ports
from grafana_kit import NOT_RUN as NO_GRAFANA
from grafana_kit import PASSWORD, Grafana, grafana_home, running_grafana
from loki import NOT_RUN as NO_LOKI
from loki import loki_binary
from stack_doctor import doctor
from stack_kit import (
    READ_TOKEN,
    AresServer,
    Loki,
    Tempo,
    collecting,
    headers_file,
    running_alertmanager,
    running_loki,
    running_prometheus,
    running_tempo,
    serving,
)
from stack_report import Measured, go_memory, said
from tempo import NOT_RUN as NO_TEMPO
from tempo import tempo_binary
from test_stack_live import PANELS, points
from test_stack_traces import NEWEST
from usage import Usage, occupied
from whole_kit import Stack, aim, place

from ares_otel.stack.alerting import Delivery

__all__ = ["main"]

SCRIPT = Path(__file__).with_name("stack_bot.py")
LOOK = 10.0
"""Seconds between two looks of somebody at a board."""
FOREVER = 30 * 86_400
INTERRUPTED = 130
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Loaded(NamedTuple):
    """The stack under load.

    Attributes:
        grafana: None where it is not installed.
        processes: ids by name.
        parts: what tells the bytes on disk, by name.
    """

    home: Path
    stack: Stack
    grafana: Grafana | None
    processes: dict[str, int]
    parts: dict[str, Callable[[], int]]


@contextmanager
def loaded(home: Path, rate: float) -> Iterator[Loaded]:
    """Run everything, and the bot at so many spans a second."""
    with ExitStack() as running:
        stack = running.enter_context(_servers(home))
        installed = grafana_home()
        grafana = None
        if installed is not None:
            grafana = running.enter_context(running_grafana(installed, home / "grafana", stack))
            aim(home / "prometheus" / "targets" / "grafana.yaml", grafana.url)
        bot = running.enter_context(_bot(home, stack, rate))
        yield Loaded(home, stack, grafana, _processes(stack, grafana, bot), _parts(home))


@contextmanager
def _servers(home: Path) -> Iterator[Stack]:
    with ExitStack() as running:
        silent = Delivery(smarthost="", slack=False, pager=False, deadman=False)
        alertmanager = running.enter_context(
            running_alertmanager(home / "alertmanager", silent, {}, **go_memory("alertmanager"))
        )
        server: AresServer = running.enter_context(serving(home / "ares-server"))
        (home / "prometheus").mkdir()
        places = {"alertmanager": place(alertmanager.url), "ares-server": place(server.url)}
        prometheus = running.enter_context(
            running_prometheus(home / "prometheus", places, "--web.enable-admin-api", **go_memory("prometheus"))
        )
        targets = home / "prometheus" / "targets"
        tempo = running.enter_context(_tempo(home / "tempo", prometheus.url))
        if tempo is not None:
            aim(targets / "tempo.yaml", tempo.url)
        otlp = tempo.otlp if tempo is not None else "127.0.0.1:9"
        loki = running.enter_context(_loki(home / "loki"))
        overlays, around = (("logs",), {"LOKI_URL": loki.url}) if loki else ((), {})
        around |= go_memory("otel-collector")
        collector = running.enter_context(
            collecting(home / "collector", server.url, otlp, prometheus.url, *overlays, **around)
        )
        aim(targets / "otel-collector.yaml", collector.metrics)
        yield Stack(prometheus, alertmanager, tempo, server, collector, headers_file(home), Queue(), loki)


@contextmanager
def _tempo(directory: Path, prometheus: str) -> Iterator[Tempo | None]:
    binary = tempo_binary()
    if binary is None:
        yield None
        return
    with running_tempo(binary, directory, prometheus, **go_memory("tempo")) as running:
        yield running


@contextmanager
def _loki(directory: Path) -> Iterator[Loki | None]:
    binary = loki_binary()
    if binary is None:
        yield None
        return
    with running_loki(binary, directory, **go_memory("loki")) as running:
        yield running


@contextmanager
def _bot(home: Path, stack: Stack, rate: float) -> Iterator[int]:
    (port,) = free_ports(1)
    around = {
        "ARES_OTEL_EXPORTER_ENDPOINT": stack.collector.http,
        "ARES_OTEL_EXPORTER_HEADERS_FILE": str(stack.headers),
        "ARES_OTEL_METRICS_PORT": str(port),
        "ARES_OTEL_METRICS_FILE_SD": str(home / "prometheus" / "targets" / "bots" / "load.json"),
        "ARES_OTEL_STATE_DIRECTORY": str(home / "bot"),
        "ARES_OTEL_SERVICE_NAME": "load",
        "ARES_OTEL_SERVICE_ENVIRONMENT": "bench",
        "ARES_OTEL_MODE": "paper",
        "ARES_OTEL_ALERTING_ALERTMANAGERS": stack.alertmanager.url,
        "ARES_OTEL_LOGS_EXPORT": "true",
    }
    with (home / "bot.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rate), str(FOREVER)], env={**os.environ, **around}, stdout=log, stderr=log
        )
    try:
        yield process.pid
        assert process.poll() is None, (home / "bot.log").read_text(errors="replace")[-2000:]
    finally:
        process.terminate()
        process.wait()


def _processes(stack: Stack, grafana: Grafana | None, bot: int) -> dict[str, int]:
    assert isinstance(stack.server, AresServer)
    servers = {
        "tempo": stack.tempo,
        "loki": stack.loki,
        "prometheus": stack.prometheus,
        "alertmanager": stack.alertmanager,
        "grafana": grafana,
        "ares-server": stack.server,
    }
    ids = {name: server.process.pid for name, server in servers.items() if server is not None}
    return {"otel-collector": stack.collector.pid, **ids, "bot": bot}


def _parts(home: Path) -> dict[str, Callable[[], int]]:
    tempo, prometheus = home / "tempo" / "data", home / "prometheus" / "data"
    return {
        "otel-collector: queue": partial(occupied, home / "collector" / "queue"),
        "tempo: blocks": partial(_blocks, tempo / "blocks", "meta.json"),
        "tempo: blocks that were joined to others": partial(_blocks, tempo / "blocks", "meta.compacted.json"),
        "tempo: live store": partial(occupied, tempo / "live-store"),
        "tempo: generator's WAL": partial(occupied, tempo / "generator"),
        "loki: chunks and index": partial(_but, home / "loki" / "data", "wal"),
        "loki: WAL": partial(occupied, home / "loki" / "data" / "wal"),
        "prometheus: blocks": partial(occupied, prometheus, "0*/**/*"),
        "prometheus: WAL": partial(occupied, prometheus, "w[ab]l/**/*"),
        "prometheus: head's chunks": partial(occupied, prometheus, "chunks_head/**/*"),
        "ares-server: database": partial(occupied, home / "ares-server", "ares.db"),
        "ares-server: its WAL": partial(occupied, home / "ares-server", "ares.db-*"),
        "alertmanager": partial(occupied, home / "alertmanager" / "data"),
        "grafana": partial(occupied, home / "grafana" / "data"),
        "bot: spool, orders, accounts": partial(occupied, home / "bot"),
    }


def _but(directory: Path, name: str) -> int:
    """Return what a directory takes without one of its own."""
    return occupied(directory) - occupied(directory / name)


def _blocks(directory: Path, marker: str) -> int:
    """Return what Tempo's blocks take that have a file of this name: those in use have another than those to go."""
    return sum(occupied(path.parent) for path in directory.glob(f"*/*/{marker}"))


def _watch(load: Loaded, seconds: float) -> None:
    """Ask what a board asks, one board after the other, and Tempo for the newest decisions."""
    end = time.monotonic() + seconds
    boards = itertools.cycle(sorted({board.uid for board, _ in PANELS}))
    while (due := time.monotonic() + LOOK) < end:
        uid = next(boards)
        for board, panel in PANELS:
            for target in panel.targets if board.uid == uid else ():
                if target.form not in {"traces", "map", "logs"}:
                    points(load.stack.prometheus, target)
        if load.stack.tempo is not None:
            load.stack.tempo.search(NEWEST)
        if load.stack.loki is not None:
            load.stack.loki.lines('{service_name="load"} |= "rejected"')
        time.sleep(max(0.0, due - time.monotonic()))
    time.sleep(max(0.0, end - time.monotonic()))


def _examine(load: Loaded) -> list[str]:
    """Return what doctor says of everything, a line for each check."""
    secrets = {"STACK_SERVER_TOKEN_FILE": READ_TOKEN, "STACK_GRAFANA_PASSWORD_FILE": PASSWORD}
    around = {}
    for name, secret in secrets.items():
        path = load.home / name.lower()
        path.write_text(secret)
        path.chmod(0o600)
        around[f"ARES_OTEL_{name}"] = str(path)
    if load.grafana is not None:
        parts = [
            "collector",
            "server",
            "prometheus",
            "alertmanager",
            "grafana",
            *(["tempo"] if load.stack.tempo else []),
            *(["loki"] if load.stack.loki else []),
        ]
        around |= {"ARES_OTEL_STACK_GRAFANA": load.grafana.url, "ARES_OTEL_STACK_PARTS": ",".join(parts)}
    around["ARES_OTEL_STATE_DIRECTORY"] = str(load.home / "doctor")
    code, findings = doctor(load.stack, "--wait", "90", **around)
    return [f"exit code {code}", *(f"{one['state']:14} {name}: {one['detail']}" for name, one in findings.items())]


def _keep(load: Loaded) -> None:
    for name, url in {
        "prometheus": load.stack.prometheus.url,
        "alertmanager": load.stack.alertmanager.url,
        "tempo": load.stack.tempo.url if load.stack.tempo else None,
        "loki": load.stack.loki.url if load.stack.loki else None,
        "ares server": load.stack.server.url,
        "grafana": load.grafana.url if load.grafana else None,
    }.items():
        _say(f"{name:13} {url or 'is not here'}")
    _say("Ctrl-C ends it.")
    while True:
        time.sleep(3_600)


@contextmanager
def _ending() -> Iterator[None]:
    """Take SIGTERM and SIGHUP as Ctrl-C: what was started is ended, in its order, whatever comes meanwhile."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in ENDS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, end) for each in ENDS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description="What the stack takes with one bot.")
    parser.add_argument("--rate", type=float, default=200.0, help="spans a second (default 200)")
    parser.add_argument("--minutes", type=float, default=15.0, help="for how long (default 15)")
    parser.add_argument("--directory", type=Path, help="where all is kept (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="let it run afterwards, until Ctrl-C")
    args = parser.parse_args()
    absent = {NO_TEMPO: tempo_binary() is None, NO_LOKI: loki_binary() is None, NO_GRAFANA: grafana_home() is None}
    for words in (words for words, missing in absent.items() if missing):
        _say(words)
    with contextlib.suppress(KeyboardInterrupt), _ending(), ExitStack() as running:
        home = args.directory or Path(running.enter_context(tempfile.TemporaryDirectory(prefix="ares-stack-")))
        home.mkdir(parents=True, exist_ok=True)
        load = running.enter_context(loaded(home.absolute(), args.rate))
        began = time.time()
        with Usage(load.processes, load.parts) as usage:
            _watch(load, args.minutes * 60)
        measured = Measured(usage.points, began, time.time(), load.home, load.stack)
        for line in itertools.chain(said(measured), ["", "### doctor", "", *_examine(load), ""]):
            _say(line)
        if args.keep:
            _keep(load)
        return 0
    return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
