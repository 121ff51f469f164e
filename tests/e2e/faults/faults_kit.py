"""The stack under load, for tests that break it: real servers, a bot with a journal, and what the alerts said."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from collector import Collector, free_ports
from server_kit import rows
from stack_kit import (
    Prometheus,
    Server,
    Tempo,
    collecting,
    guarded,
    headers_file,
    running_alertmanager,
    running_prometheus,
    running_tempo,
    until,
)
from tempo import NOT_RUN, tempo_binary
from whole_kit import Hook, aim, place

from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Metric
from ares_otel.stack.alerting import Delivery

__all__ = ["MINUTES", "Alerts", "Load", "Loaded", "loaded", "note", "spans_of"]

MINUTES = float(os.environ.get("ARES_FAULTS_MINUTES", "10"))
"""How long an outage lasts. Alerts wait for up to five minutes before they fire, so fewer than six show less."""

RATE = 18.0
SPANS = 13
SPANS_OF_ORDER = 2
READERS = 3
BY_ID = 1_000
MOST = 9_999
ASIDE = {"Watchdog", "AresProcessorBusy", "AresHostFull"}
DECISIONS = '{ resource.service.name = "load-bot" && name = "decision" }'
DRAINED = 600.0
SUBJECT = re.compile(r"(Resolved|\w+): (\w+)")
BOT = Path(__file__).parent / "load_bot.py"
STARTED = time.monotonic()


def note(text: str) -> None:
    """Say what is seen, with the minutes since the start: a run of this length is followed as it goes."""
    sys.stdout.write(f"[{(time.monotonic() - STARTED) / 60:5.1f} min] {text}\n")
    sys.stdout.flush()


class Said(NamedTuple):
    """A message about an alert: its name, whether it told of the end, and when it came (monotonic seconds)."""

    name: str
    over: bool
    at: float


class Alerts:
    """What came at the webhooks: the channels of the teams, the pager, the dead man's switch."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._said: list[Said] = []

    def said(self) -> list[Said]:
        """Return all messages so far, in their order, without the heartbeat and what is true of the machine."""
        try:
            while True:
                self._said += _messages(self._hook.calls.get_nowait())
        except Empty:
            return [each for each in self._said if each.name not in ASIDE]

    def names(self) -> set[str]:
        """Return the names of all alerts that anybody heard of."""
        return {each.name for each in self.said()}

    def heartbeats(self) -> int:
        """Return how often the dead man's switch was called."""
        self.said()
        return sum(each.name == "Watchdog" for each in self._said)

    def wait(self, name: str, *, over: bool, since: float, seconds: float) -> None:
        """Wait for a message about an alert that came after a time."""
        what = f"{name} {'resolved' if over else 'fired'}"

        def came() -> list[float]:
            return [each.at for each in self.said() if (each.name, each.over) == (name, over) and each.at > since]

        at = until(came, what=what, seconds=seconds)[0]
        note(f"{what} {at - since:.0f} s after the change")


def spans_of(made: dict[str, str]) -> int:
    """Return the number of spans that decisions of the load have."""
    return sum(SPANS + (order != "-") * SPANS_OF_ORDER for order in made.values())


def began(trace: str) -> int:
    """Return the Unix time in seconds at which a trace of ours began: its id says it in milliseconds."""
    return int(trace[:12], 16) // 1000


def _messages(body: dict[str, Any]) -> list[Said]:
    now = time.monotonic()
    if "attachments" in body:
        found = SUBJECT.match(body["attachments"][0]["title"])
        assert found, body
        return [Said(found[2], found[1] == "Resolved", now)]
    return [Said(alert["labels"]["alertname"], alert["status"] == "resolved", now) for alert in body["alerts"]]


class Load:
    """The bot that decides at a steady pace, in a process of its own."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.journal = directory / "journal"
        self.journal.touch()
        self.directory = directory
        (self._port,) = free_ports(1)
        around = {
            "ARES_OTEL_METRICS_PORT": str(self._port),
            "ARES_OTEL_STATE_DIRECTORY": str(directory / "state"),
            "ARES_OTEL_SERVICE_NAME": directory.name,
            "ARES_OTEL_SERVICE_ENVIRONMENT": "test",
            **environ,
        }
        command = [sys.executable, str(BOT), str(self.journal), str(RATE)]
        with (directory / "bot.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **around}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def made(self) -> dict[str, str]:
        """Return the decisions that it made: the client id of the order, or "-", by trace id."""
        assert self._process.poll() in (None, 0), (self.directory / "bot.log").read_text(encoding="utf-8")
        lines = self.journal.read_text(encoding="utf-8").splitlines(keepends=True)
        pairs = (line.split() for line in lines if line.endswith("\n"))
        return {trace: order for trace, order in pairs}  # noqa: C416  two words a line

    def metric(self, name: Metric) -> float:
        """Return the sum of a metric of it."""
        with urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))

    def dropped(self) -> dict[str, float]:
        """Return what it lost, by reason."""
        with urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        pairs = re.findall(rf'^{m.DROPPED}\{{reason="(\w+)"\}} (\S+)$', text, re.MULTILINE)
        return {reason: float(value) for reason, value in pairs if float(value)}

    def stop(self) -> None:
        """Let it deliver what is left, and end."""
        self._process.terminate()
        assert self._process.wait(120) == 0, (self.directory / "bot.log").read_text(encoding="utf-8")

    def close(self) -> None:
        """End it, however it is."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Loaded(NamedTuple):
    """What runs, under load.

    Attributes:
        store: the directory of the ares server's database.
        found: traces that Tempo was seen to have.
    """

    store: Path
    prometheus: Prometheus
    alertmanager: Server
    tempo: Tempo
    collector: Collector
    alerts: Alerts
    load: Load
    found: set[str]

    @property
    def database(self) -> Path:
        """The file of the ares server."""
        return self.store / "ares.db"

    def waiting(self, exporter: str = "") -> float:
        """Return the bytes that wait in the collector for an exporter, or for all."""
        with urlopen(self.collector.metrics, timeout=10) as answer:
            text = answer.read().decode()
        sizes = re.findall(r'^otelcol_exporter_queue_size\{.*exporter="([^"]+)".*\} (\S+)$', text, re.MULTILINE)
        return sum(float(size) for name, size in sizes if name.startswith(exporter))

    def rate(self) -> float | None:
        """Return the spans a second that the bot delivered over the last minute, as Prometheus knows it."""
        return self.prometheus.value(f"sum(rate({m.EXPORTED}[1m]))")

    def stand(self, seconds: float, every: Callable[[], str] | None = None) -> None:
        """Let the load go on for a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(30.0, max(0.0, end - time.monotonic())))
            note(every() if every else f"{len(self.load.made())} decisions, {self.waiting():,.0f} bytes wait")

    def settled(self, made: dict[str, str]) -> None:
        """Wait until decisions are in the store and in Tempo; each is in the store once, with its order."""
        started = time.monotonic()
        until(lambda: made.keys() <= self.stored().keys(), what=f"{len(made)} decisions are stored", seconds=DRAINED)
        stored = self.stored()
        assert [trace for trace, number in stored.items() if number != 1] == []
        orders = Counter(row[0] for row in rows(self.database, "SELECT client_id FROM orders"))
        assert [order for order in made.values() if order != "-" and orders[order] != 1] == []
        note(f"the store has each of {len(made)} decisions once")
        self._told(made)
        asked = list(made)[:: len(made) // BY_ID or 1]
        assert [trace for trace, found in zip(asked, self._found(asked), strict=True) if not found] == []
        took = time.monotonic() - started
        note(f"Tempo finds each by a search of its time, and each of {len(asked)} by its id; to look took {took:.0f} s")

    def lacking(self, made: dict[str, str]) -> set[str]:
        """Return which of a thousand decisions Tempo has not, once it has the newest."""
        newest = next(reversed(made))
        until(lambda: self._by_id(newest), what="the newest decision is in Tempo", seconds=DRAINED)
        asked = list(made)[:: len(made) // BY_ID or 1]
        return {trace for trace, found in zip(asked, self._found(asked), strict=True) if not found}

    def _told(self, made: dict[str, str]) -> None:
        """Wait until searches of their times have found all decisions."""
        ended = time.monotonic() + DRAINED
        while lacking := made.keys() - self.found:
            assert time.monotonic() < ended, f"Tempo lacks {len(lacking)} decisions: {sorted(lacking)[:9]}"
            for minute in sorted({began(trace) // 60 for trace in lacking}):
                self.found.update(self.tempo.search(DECISIONS, 60 * minute - 1, 60 * minute + 61, MOST))

    def stored(self) -> Counter[str]:
        """Return how often each decision is in the store."""
        return Counter(bytes(row[0]).hex() for row in rows(self.database, "SELECT trace FROM decision"))

    def _found(self, traces: list[str]) -> list[bool]:
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self._by_id, traces))

    def _by_id(self, trace: str) -> bool:
        try:
            return bool(self.tempo.trace(trace))
        except HTTPError:
            return False


@contextmanager
def loaded(
    home: Path, *overlays: str, queue: Path | None = None, store: Path | None = None, **bot: str
) -> Iterator[Loaded]:
    """Run the whole stack and a bot until it delivered for a minute.

    Args:
        home: where all files are.
        overlays: of the collector.
        queue: where the collector's queue is instead.
        store: where the ares server's database is instead.
        bot: further environment of the bot.

    Raises:
        RuntimeError: there is no Tempo.
    """
    binary = tempo_binary()
    if binary is None:
        raise RuntimeError(NOT_RUN)
    with ExitStack() as running:
        hook = Hook()
        running.callback(hook.close)
        addressed = {"slack_url": hook.url, "pager_url": hook.url, "deadman_url": hook.url}
        delivery = Delivery(smarthost="", group_interval="30s")
        alerting = running.enter_context(running_alertmanager(home / "alertmanager", delivery, addressed))
        store = store or home / "server"
        server = running.enter_context(guarded(store))
        (home / "prometheus").mkdir()
        places = {"alertmanager": place(alerting.url), "ares-server": place(server.url)}
        prometheus = running.enter_context(running_prometheus(home / "prometheus", places))
        targets = home / "prometheus" / "targets"
        tempo = running.enter_context(running_tempo(binary, home / "tempo", prometheus.url))
        aim(targets / "tempo.yaml", tempo.url)
        collector = collecting(home / "collector", server.url, tempo.otlp, prometheus.url, *overlays)
        collector.queue = queue or collector.queue
        running.enter_context(collector)
        aim(targets / "otel-collector.yaml", collector.metrics)
        around = {
            "ARES_OTEL_EXPORTER_ENDPOINT": collector.http,
            "ARES_OTEL_EXPORTER_HEADERS_FILE": str(headers_file(home)),
            "ARES_OTEL_METRICS_FILE_SD": str(targets / "bots" / "load.json"),
            **bot,
        }
        load = Load(home / "load-bot", around)
        running.callback(load.close)
        ready = Loaded(store, prometheus, alerting, tempo, collector, Alerts(hook), load, set())
        until(lambda: (ready.rate() or 0) >= 200, what="200 spans a second arrive", seconds=180)
        note(f"{ready.rate():.0f} spans a second arrive")
        yield ready
