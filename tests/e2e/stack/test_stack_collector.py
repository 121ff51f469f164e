"""The collector of the stack with its committed configuration and each overlay: who gets in, and what arrives where."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml
from built import ROOT, built, said
from collector import Collector
from log_receiver import LogReceiver
from logging_bot import SECRETS, STORM_RECORDS, run_bot, run_storm
from scripts import load
from stack_kit import CONFIGS, collecting, decide, guarded, headers_file, laid_out, stored, until

from ares_otel.stack.foreign import COLLECTOR_ENQUEUE_FAILED

preparing = load("preparing")
OVERLAYS = ("logs", "sampling", "tenancy", "tls")
CHOICES = [
    chosen
    for number in range(len(OVERLAYS) + 1)
    for chosen in itertools.combinations(OVERLAYS, number)
    if not {"sampling", "tenancy"} <= set(chosen)
]
NOBODY = "127.0.0.1:9"
CROWDED = """\
exporters:
  otlp_grpc/tempo:
    sending_queue: {queue_size: 8192, batch: {min_size: 1024, max_size: 8192}}
"""
LIVING = """
import logging, sys
import ares_otel as ares
LOG = logging.getLogger("bot")
with ares.setup():
    for line in sys.stdin:
        with ares.decision(symbol="ETHUSDT", strategy="momentum", venue="paper") as d:
            LOG.warning("wide spread")
            d.resolve("hold")
        print(f"{d.trace_id:032x}", flush=True)
"""
ROOMLESS = 40  # decisions until there is no room, several times over
BEHIND = 10


@pytest.fixture(scope="module")
def tenancy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the overlay for tenants, as `make up` does."""
    place = preparing.Place(tmp_path_factory.mktemp("tenancy"))
    laid_out(place.directory)
    preparing.prepare(place, {"TEMPO_STRATEGIES": "momentum|carry"})
    return Path(place.run / "tenancy.yaml")


@pytest.mark.parametrize("overlays", CHOICES, ids="+".join)
def test_configuration_is_valid(overlays: tuple[str, ...], tenancy: Path) -> None:
    """The collector takes the configuration with every choice of overlays, in the order of the compose file."""
    files = {name: CONFIGS / f"{name if name in overlays else 'none'}.yaml" for name in OVERLAYS}
    if "tenancy" in overlays:
        files["tenancy"] = tenancy

    said(built("otelcol"), "validate", *(f"--config={path}" for path in (CONFIGS / "stack.yaml", *files.values())))


def test_overlays_are_those_of_the_compose_file() -> None:
    """What is checked above is what the container is told."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))

    told = compose["services"]["otel-collector"]["command"]

    assert told == [f"--config=/etc/otelcol/{name}.yaml" for name in ("stack", *OVERLAYS)]


def test_token_is_asked_for(tmp_path: Path) -> None:
    """Who shows no token, or a wrong one, is sent away and nothing of theirs is kept; the right one delivers."""
    with (
        guarded(tmp_path / "server") as server,
        collecting(tmp_path / "c", server.url, NOBODY, f"http://{NOBODY}") as collector,
    ):
        for header in ({}, {"Authorization": "Bearer wrong"}):
            request = Request(f"{collector.http}/v1/traces", b"", {"Content-Type": "application/x-protobuf", **header})
            with pytest.raises(HTTPError, match="401"):
                urlopen(request, timeout=10)

        made = decide(tmp_path, collector.http, headers=headers_file(tmp_path))

        until(lambda: made.trace_id in stored(tmp_path / "server"), what="the decision is in the ares server")


def test_kept_until_the_server_is_there(tmp_path: Path) -> None:
    """What nobody takes is kept on disk, through the end and the next start of the collector, and then delivered."""
    home = tmp_path / "server"
    with guarded(home) as server:
        url = server.url
    with collecting(tmp_path / "c", url, NOBODY, f"http://{NOBODY}") as collector:
        made = decide(tmp_path, collector.http, headers=headers_file(tmp_path))
        collector.kill()
        collector.start()
        assert made.trace_id not in stored(home)

        with guarded(home, int(url.rpartition(":")[2])):
            until(lambda: made.trace_id in stored(home), what="the decision is in the ares server", seconds=90)


@contextmanager
def taking_logs(directory: Path, home: Path) -> Iterator[tuple[LogReceiver, Collector]]:
    """Run the collector with the overlay for logs, an ares server that stores in `home`, and what stands for Loki."""
    with (
        guarded(home) as server,
        LogReceiver() as loki,
        collecting(directory / "c", server.url, NOBODY, f"http://{NOBODY}", "logs", LOKI_URL=loki.url) as collector,
    ):
        yield loki, collector


def test_log_records_wait_for_loki(tmp_path: Path) -> None:
    """With the overlay for logs they come to Loki's path once, complete and without secrets, as late as it takes."""
    headers = {"ARES_OTEL_EXPORTER_HEADERS_FILE": str(headers_file(tmp_path))}
    home = tmp_path / "server"
    with taking_logs(tmp_path, home) as (loki, collector):
        loki.open = False
        made = run_bot(tmp_path, collector.http, **headers)
        until(lambda: made.trace in stored(home), what="the ares server does not wait for Loki")
        until(lambda: loki.refused, what="Loki was tried")
        collector.kill()
        collector.start()
        loki.open = True

        until(lambda: len(loki.records) == 3, what="all log records are there")
        outside, *inside = sorted(loki.records, key=lambda one: one.time_unix_nano)
        assert (outside.body.string_value, outside.trace_id, outside.flags) == ("awake", b"", 0)
        assert {(one.trace_id.hex(), one.span_id.hex(), one.flags) for one in inside} == {(made.trace, made.span, 1)}
        told = "".join(str(one) for one in loki.records)
        assert told.count(made.correlation) == 2
        assert [secret for secret in SECRETS if secret in told] == []


def test_storm_costs_log_records_never_spans(tmp_path: Path) -> None:
    """What finds no room in a storm is dropped, counted; what was sent comes to Loki once, every decision is stored."""
    headers = {"ARES_OTEL_EXPORTER_HEADERS_FILE": str(headers_file(tmp_path))}
    home = tmp_path / "server"
    with taking_logs(tmp_path, home) as (loki, collector):
        traces, sent = run_storm(tmp_path, collector.http, **headers)

        assert 0 < sent < STORM_RECORDS
        until(lambda: set(traces) <= stored(home), what="every decision is stored")
        until(lambda: len(loki.records) == sent, what=f"{sent} log records are there")


@contextmanager
def living(directory: Path, endpoint: str) -> Iterator[Callable[[], str]]:
    """Run a bot that lives on; what is returned lets it log and decide, and returns the trace id."""
    around = {
        "ARES_OTEL_EXPORTER_ENDPOINT": endpoint,
        "ARES_OTEL_EXPORTER_HEADERS_FILE": str(headers_file(directory)),
        "ARES_OTEL_METRICS_ENABLED": "false",
        "ARES_OTEL_STATE_DIRECTORY": str(directory / "state"),
        "OTEL_LOGS_EXPORTER": "otlp",
    }
    command = [sys.executable, "-c", LIVING]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env={**os.environ, **around}, text=True, **pipes) as bot:  # type: ignore[call-overload]

        def decide_again() -> str:
            bot.stdin.write("\n")
            bot.stdin.flush()
            return str(bot.stdout.readline().strip())

        try:
            yield decide_again
        finally:
            bot.terminate()


def refused(collector: Collector) -> float:
    """Return the spans that found no room in the queue for Tempo, which an alert is about."""
    with urlopen(collector.metrics, timeout=10) as answer:
        text = answer.read().decode()
    name = f"{COLLECTOR_ENQUEUE_FAILED}(?:_total)?"
    found = re.findall(rf'^{name}\{{.*exporter="otlp_grpc/tempo".*\}} (\S+)$', text, re.MULTILINE)
    return sum(float(value) for value in found)


def test_full_queue_of_one_keeps_nothing_from_the_others(tmp_path: Path) -> None:
    """With no room left for a Tempo that is down, the ares server and Loki still get all that is new; it is counted."""
    (tmp_path / "crowded.yaml").write_text(CROWDED)
    home = tmp_path / "server"
    overlays = ("logs", str(tmp_path / "crowded"))
    with guarded(home) as server, LogReceiver() as loki:
        overlaid = collecting(*(tmp_path / "c", server.url, NOBODY, f"http://{NOBODY}", *overlays), LOKI_URL=loki.url)
        with overlaid as collector, living(tmp_path, collector.http) as decide_again:
            traces = [decide_again()]
            until(lambda: stored(home) == set(traces), what="the first decision is stored")
            while not refused(collector):
                assert len(traces) < ROOMLESS
                traces.append(decide_again())
                until(lambda: stored(home) == set(traces), what=f"decision {len(traces)} is stored")
            for _ in range(BEHIND):
                traces.append(decide_again())
                until(lambda: stored(home) == set(traces), what=f"{len(traces)}, though there is no room for Tempo")

            assert refused(collector) >= BEHIND
            assert "sending queue is full" in collector.log.read_text(errors="replace")
            until(lambda: len(loki.records) == len(traces), what="the log records of all of them are in Loki")


def test_mutual_tls(tmp_path: Path) -> None:
    """With the overlay for TLS a bot with a certificate of our authority delivers; one without never gets in."""
    place = preparing.Place(tmp_path / "deploy")
    laid_out(place.directory)
    preparing.prepare(place, {"COMPOSE_FILE": "compose.yaml:compose.tls.yaml"})
    tls = place.secrets / "tls"
    around = {
        "OTLP_CERTIFICATE": str(tls / "collector.crt"),
        "OTLP_KEY": str(tls / "collector.key"),
        "OTLP_CLIENT_CA": str(tls / "ca.crt"),
    }
    headers = headers_file(tmp_path)
    with (
        guarded(tmp_path / "server") as server,
        collecting(tmp_path / "c", server.url, NOBODY, f"http://{NOBODY}", "tls", **around) as collector,
    ):
        url = collector.http.replace("http://", "https://")
        trusting = {"ARES_OTEL_EXPORTER_CERTIFICATE": str(tls / "ca.crt")}
        shown = {
            "ARES_OTEL_EXPORTER_CLIENT_CERTIFICATE": str(tls / "bot.crt"),
            "ARES_OTEL_EXPORTER_CLIENT_KEY": str(tls / "bot.key"),
        }
        stranger = decide(tmp_path / "stranger", url, headers=headers, **trusting)
        known = decide(tmp_path / "known", url, headers=headers, **trusting, **shown)

        until(lambda: known.trace_id in stored(tmp_path / "server"), what="the decision is in the ares server")
        assert not stranger.delivered
        assert known.delivered
        assert stranger.trace_id not in stored(tmp_path / "server")
